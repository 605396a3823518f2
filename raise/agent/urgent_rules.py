"""The rules for urgent messages, in six families, and the words they are written with.

Phrases are regular expressions over the sentences of ``sentences``: a space is the border of a word, ``<name>`` stands
for one of ``_FRAGMENTS``, ``@`` marks where an act begins when words before it belong to the match (a denial is looked
for right before the act). Gaps are short and counted in words, which keeps the time linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .guards import REACH, Match, fiction, figure, idiom, negated, past, place, quoted, sport, study, trivial, vermin

Kind = Literal["harm_to_self", "harm_to_others"]
Family = Literal["intent", "act", "means", "ending", "others", "third_person"]


def _any(*words: str) -> str:
    """One of these; words of one string are apart, ``_`` joins the words of a phrase."""
    return f"(?:{'|'.join(word.replace('_', ' ') for some in words for word in some.split())})"


_KIN = _any(
    "(?:best_)?friends? brother sister mom mum mother dad father son daughter husband wife boyfriend girlfriend "
    "partner",
    "siblings? twins in_laws? step_?(?:son|daughter|kids?|child) carer nurse doctor therapist coach principal "
    "professor lodger",
    "fiancee? ex(?:_(?:husband|wife|boyfriend|girlfriend))? step_?(?:dad|mom|mum|father|mother|brother|sister) uncle "
    "aunt",
    "cousin grand(?:ma|pa|mother|father) nephew niece kids? child children baby toddler newborn infant roommate "
    "flatmate",
    "housemate lover neighbou?rs? boss manager supervisor co_?workers? colleagues? classmates? teammates? teachers? "
    "students?",
    "family parents? landlord tenant bully bullies buddy mate bro sis twin patients? client",
)
_AGED = (
    r"(?:(?:own|whole|entire|little|older|younger|elderly|big|baby|ex|best|close|good|online|teenage|former|old|new"
    r"|\S+ year old) )?"
)
_PEOPLE = _any(
    "person people man men woman women guys? girls? boys? kids? child children babies baby cops? officer teachers? "
    "students",
    "bastards? bitch asshole idiots? bully bullies strangers? driver family teen teenager carer nurse doctor judge "
    "neighbou?r landlord",
    "ex manager boss crowd class passengers? customers? colleagues? member wife husband",
)
_INTENT = _any(
    "(?:going|want|wanting|wants|wanted|about|plans?|planning|decided|ready|needs?|have|trying|try|intends?"
    "|intending)_to",
    "(?:threatening|threatened|threatens|tempted|like|promised|deserves?|supposed|better)_to will would must should "
    "might",
    "may could shall (?:plan|plans|idea|goal)_(?:is|was)_to (?:planning|plan|decided|set)_on considering "
    "contemplating feel(?:ing)?_like let_me how_to",
    "how_(?:do|can|could|should|would)_i (?:thinking|thinks?|thoughts?|talk(?:ing|s|ed)|dream(?:s|ing)?|ideas?)_(?:of"
    "|about)",
    "fantasi[sz]\\w+_about urges?(?:_is|_are)?_(?:to|for|of) (?:ways?|means|plans?|method)_(?:to|of|for) keeps? "
    "craving i_am",
    "wish_i_could (?:stop|keep)_(?:my_?self_)?from (?:afraid|scared|terrified|worried)_(?:of|that_i|i) threatening "
    "says? said",
    "saying (?:tells?|telling|told)_me_to",
)  # fmt: skip
_FRAGMENTS = {
    "intent": _INTENT,
    **{f"gap{reach}": rf"(?:\S+ ){{0,{reach}}}?" for reach in range(1, 9)},
    "time": _any(
        "tonight today tomorrow right_now now soon this_(?:morning|afternoon|evening|week|weekend|time)",
        "(?:on_)?(?:mon|tues|wednes|thurs|fri|satur|sun)day in_(?:an|the_next|a_few)_(?:hours?|minutes?)",
    ),
    "lately": _any(
        "tonight today this_(?:morning|week) last_(?:night|week) yesterday again just_now (?:\\S+_)?hours?_ago earlier",
    ),
    "self": "my ?self",
    "own": r"(?:my|the|this|that|these|a|an|some|our|his|her|their)(?: \S+ is)?",
    "someone": f"(?:(?:my|his|her|our|their) {_AGED}{_KIN}(?: is)?|him|her|them|you|us|someone|somebody|people|everyone"
    rf"|everybody|anyone|anybody|others|(?:other|innocent) people|all of (?:them|you|us)|every (?:single |last "
    rf")?(?:one|person)"
    rf"|as many|(?:an?|the|this|that|these|those|some|half|two|three) (?:\S+ ){{0,2}}?{_PEOPLE})",
    "they": f"(?:he|she|they|someone|somebody|(?:my|our|his|her|a|this) {_AGED}{_KIN}|friend of mine"
    rf"|(?:a|an|this|the|some) (?:\S+ ){{0,2}}?{_PEOPLE}|\S+ year old)",
    "themselves": "(?:himself|herself|themselves|theirself|theirselves)",
    "their": "(?:his|her|their|your)",
    "pills": _any(
        "pills? tablets? capsules? meds medications? medicines? antidepressants? painkillers? paracetamol tylenol "
        "advil aleve",
        "acetaminophen ibuprofen naproxen aspirin xanax valium ambien benadryl unisom nyquil oxys? oxycodone "
        "oxycontin opioids?",
        "percocet vicodin fentanyl morphine heroin methadone tramadol codeine insulin zoloft prozac lexapro sertraline",
        "citalopram fluoxetine trazodone amitriptyline propranolol seroquel quetiapine lithium benzos? diazepam "
        "lorazepam",
        "klonopin ativan prescriptions? (?:own_)?medicine warfarin adderall ritalin gabapentin pregabalin melatonin "
        "warfarin digoxin antifreeze bleach nembutal",
    ),
    "plenty": _any(
        "all whole entire every far_too_(?:many|much) load loads half bottles? handfuls? fistful bunch too_(?:many"
        "|much) box packet pack packs boxes lots? enough rest full tons? overdose",
        "[2-9]\\d(?!\\d) 1[2-9](?!\\d) (?:twen|thir|for|fif|six)ty hundreds?",
    ),
    "means": _any(
        "gun pistol rifle shotgun revolver handgun firearm rope noose razors? (?:razor_)?blades? knife scissors pills "
        "belt cord",
    ),
    "weapon": _any("gun knife rifle pistol shotgun machete bat axe bomb weapon hammer"),
    "height": _any(
        "bridge building roof rooftop balcony cliff window overpass ledge tower (?:parking_)?garage car_park floor "
        "edge",
        "pier dam viaduct flyover multi_?storey stairwell scaffold(?:ing)? terrace crane platform mountain quarry top",
    ),
    "vehicle": _any(
        "trains? bus buses trucks? lorry lorries cars? vans? subway tube metro tram traffic tracks rails motorway",
        "highway",
    ),
    "water": _any("river sea ocean lake canal reservoir harbou?r water dock"),
    "wrists": _any("wrists? throat veins? neck"),
    "limbs": _any("arms? legs? thighs? wrists? skin veins? stomach body"),
    "public": _any(
        "school office work workplace church mosque synagogue mall college university class concert train building "
        "party",
        "hospital clinic place campus court",
    ),
}  # fmt: skip


def compiled(*phrases: str) -> re.Pattern[str]:
    """Any of the phrases, as whole words; ``@`` marks where an act begins that is not at the front."""
    # The leading space gives the engine a literal to leap to; an empty group remembers the mark.
    filled = re.sub("<([a-z0-9]+)>", lambda name: _FRAGMENTS[name[1]], "|".join(phrases))
    return re.compile(f" (?:{filled.replace('@', '()')})(?= )")


_AIMED = re.compile(rf" {_INTENT} (?:\S+ ){{0,3}}$")
_I_MEAN = re.compile(
    rf" (?:i|we|ill|me|have|voices?) (?:\S+ ){{0,5}}?(?!could ){_INTENT} (?:\S+ ){{0,2}}$"
    r"|^ (?:just |really |about |so )*(?:going|want|about|planning|ready) to (?:\S+ ){0,2}$"
    r"| (?:tells?|telling|told|wants?|wanting|command\w*|order\w*|mak(?:e|es|ing)|asked|says?) (?:me|i have|i must) "
    r"to $"
)
_NEAR = 100
"""Characters before an act in which its intent is looked for."""


def _aimless(match: Match) -> bool:
    """Nobody intends the act: no "going to", "want to", "thoughts of" right before it."""
    return _AIMED.search(match.until_act[-_NEAR:]) is None


_ROUTINE = re.compile(
    r" (?:daily|every (?:day|morning|evening|night)|prescri\w+ (?:dose|by)|vitamins?|headache|dose as|nurse|as needed"
    r"|birth control) "
)


def _routine(match: Match) -> bool:
    """Medicine as it is meant to be taken."""
    return bool(_ROUTINE.search(match.around)) and not re.search(
        r" (?:all|whole|entire|too|overdose\w*) ", match.around
    )


def _not_meant_by_me(match: Match) -> bool:
    """The speaker does not intend the act."""
    return _I_MEAN.search(match.until_act[-_NEAR:]) is None


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern, what it means and what excuses it."""

    kind: Kind
    because: Family
    needs: frozenset[str]
    """Every match holds at least one of these words; a sentence without them is not searched."""
    guards: tuple[Callable[[Match], bool], ...]
    pattern: re.Pattern[str]

    def found(self, sentence: str, before: str) -> bool:
        """Whether a match in the sentence, which follows the sentence ``before``, stands against every guard."""
        for count, match in enumerate(self.pattern.finditer(sentence)):
            start, end = match.span()
            act = match.start(match.lastindex) if match.lastindex else start + 1
            place = Match(
                said=match[0],
                left=sentence[max(0, start - REACH) : start + 1],
                until_act=sentence[max(0, act - REACH) : act],
                right=sentence[end : end + REACH],
                before=before[-REACH:],
            )
            if count == _PATIENCE or not any(guard(place) for guard in self.guards):
                return True
        return False


_PATIENCE = 100
"""Excused matches in one sentence after which a rule alarms all the same: nobody writes so by accident."""


def _rule(kind: Kind, because: Family, needs: str, guards: tuple[Callable[[Match], bool], ...], *phrases: str) -> Rule:
    return Rule(kind, because, frozenset(needs.split()), guards, compiled(*phrases))


_OWN = (negated, idiom, past, quoted, trivial)
_TOLD = (negated, past, quoted, fiction, study)
_OTHERS = (negated, idiom, past, quoted, trivial, fiction, vermin)
_DONE = (past, quoted, fiction, sport)

# (a) What somebody says they want, plan or wonder about for themselves.
_INTENTS = (
    # No intent is asked for: these words are enough.
    _rule(
        "harm_to_self",
        "intent",
        "myself self yourself life misery suffering existence end ending brains brain head face wrist wrists throat "
        "vein veins neck bullet round gun noose bus me wrong artery arteries heart trigger bag poison pistol rifle "
        "shotgun revolver handgun firearm rope razor razors blade blades knife scissors pills belt cord alive",
        _OWN,
        "(?:kill|killing|off|offing|murder|delete|deleting|top|topping|end|ending|neck|necking) <self>",
        "(?:do|doing|done) <self> in",
        "(?:gas|gassing|suffocate|suffocating|asphyxiate|electrocute|strangle) <self>",
        "(?:hang|hanging|shoot|shooting|poison|poisoning|stab|stabbing) <self>",
        "(?:drown|drowning) <self>(?! in (?:work|paperwork|debt|coffee|chocolate|ice cream|wine|sorrows?|emails?"
        "|netflix|books) )",
        "(?:take|taking|end|ending) my (?:own )?life(?! (?:back|seriously|for|in (?:a|an|another|new|the right|hand)"
        "|to the|into my|one|story|as|savings|so seriously|more seriously|less|advice) )",
        "(?:end|ending) my (?:misery|suffering|existence)",
        "(?:end|ending) it all",
        "(?:blow|blowing|shoot|shooting) my (?:brains?|head|face) (?:out|off)",
        "(?:put|putting|shoot|fire) a (?:bullet|gun|round) (?:in|through|to|into) (?:my|me)",
        "(?:slit|slitting|slash|slashing|slashed|slice|slicing|cut|cutting|open|opening|opened) (?:my |an? |both "
        ")(?:\\S+ )?(?:<wrists>|artery|arteries)",
        "my (?:wrists?|veins|throat) (?:are|is) (?:open|cut|slit|slashed|bleeding)",
        "(?:stop|stops) my heart(?! (?:from|breaking|racing) )",
        "(?:quickest|best|painless|painfree|strongest) poison for (?:me|a person|someone my|an adult)",
        "<means> <gap3>on my (?:knees|lap|chest|bed)",
        "not coming (?:down|back) alive",
        "finger <gap3>on the trigger(?! of )",
        "(?:bag|it) <gap6>over my head(?! (?:and heels|heels|in (?:debt|work)) )",
        "(?:throw|fling|hurl|yeet|chuck|toss|launch)(?:ing)? <self> (?:off|under|in front|out|from)",
        "tie (?:a|the|my) noose",
        "(?!(?:work|worked|working|bored?|boring|worry|worrying|scared?|laugh\\w*|eat|ate|sweat\\w*|talk\\w*"
        "|think\\w*) )\\S+ <self> to death",
        "(?:set|setting|light|lighting) <self> (?:on fire|alight)",
        "burn(?:ing)? <self> (?:alive|to death)",
        "(?:turn|turning|use|using|point|pointing) (?:it|<gap2><means>|my weapon) (?:on|at) (?:<self>|me)",
        "wrong side of the (?:railing|rail|barrier|fence|bridge|ledge)",
        "catch the bus (?:forever|tonight|for good)",
        "(?:ways?|how|methods?|can you|can one|possible) <gap2>(?:to )?(?:kill|hang|shoot) yourself",
    ),
    _rule(
        "harm_to_self",
        "intent",
        "suicidal",
        (negated, past, quoted, fiction),
        "(?:i|am i|makes? me|me|and|so|really|feel|feeling|still|actively|very|extremely|getting|just|been|being|kinda"
        "|lowkey) <gap1>@suicidal",
        "suicidal (?:thoughts|ideation|urges|feelings|again|and|<time>|since)",
    ),
    _rule(
        "harm_to_self",
        "intent",
        "suicide",
        (*_OWN, fiction, study),
        "(?:commit|attempt|contemplat|consider|plann?|research|googl)(?:e|ing)? <gap1>suicide(?! (?:prevention"
        "|awareness|rates?|bomb\\w*|hotline|by|cases?|statistics|risk) )",
        "(?:<intent>|my) <gap2>suicide(?! (?:squad|prevention|awareness|rates?|bomb\\w*|doors?|hotline|grip|note"
        "|drills?|rule|in|among|risk|policy|law|cases?|statistics|mission|was|is a) )",
        "suicide (?:is|seems|feels|looks|sounds) (?:like )?(?:the |my |a )?(?:only|best|good|way|option|answer|easier"
        "|better|right|tempting)",
        "suicide <time>",
    ),
    _rule(
        "harm_to_self",
        "intent",
        "myself self sh cut cutting overdose overdosing trigger bleed bleeding dead alive sleep jump jumping leap "
        "leaping step stepping walk walking run running lie lying lay tracks rails drive driving crash crashing steer "
        "swerve take taking swallow swallowing down eat drink drinking burn burning break smash bang banging hurt "
        "hurting existing living being weight scald slice slicing slash slashing carve carving relapse poison leap "
        "leaping step stepping roll rolling fall falling climb climbing dive diving wade wading inject injecting onto",
        (_aimless, *_OWN, fiction, sport),
        "(?:hurt|harm|cut|burn|injure|starve|punch|hit|scratch|choke|scald|bleed|slice|slash|carve)(?:t?ing)? <self>",
        "(?:slice|slicing|slash|slashing|carve|carving) (?:up )?my <limbs>",
        "relapse and (?:cut|burn)",
        "(?:lie|lay|lying) (?:down )?(?:on|in) the (?:motorway|highway|freeway|road|rails|tracks|railway)",
        "onto the (?:motorway|highway|freeway|railway|train|rails)",
        "(?:burn|burning|break|smash) my (?:hand|arm|leg|skin|thigh|face)",
        "bang(?:ing)? my head",
        "stop (?:existing|living|being alive)(?! (?:on|in|with|at|off) )",
        "make <self> bleed",
        "self (?:harm|injure|mutilate)",
        "sh (?:again|tonight|right now|so bad|so badly)",
        "(?:cut|cutting) my <limbs>",
        "(?:cut|cutting)(?: again| <time>| so bad| (?:too )?deep(?:er)?| til| till| until|(?= $)|(?= ,))",
        "overdose|overdosing",
        "(?:jump|jumping|leap|leaping|step|stepping|roll|rolling|fall|falling|climb|climbing|walk|walking|dive"
        "|diving) (?:off|from|out of|out|over) <gap3><height>",
        "(?:jump|jumping|step|stepping|walk|walking|run|running|leap|leaping|fall|roll) (?:in front of|under|into"
        "|onto) <gap5><vehicle>",
        "(?:walk|walking|wade|wading|drive|driving) <gap2>(?:into|off) <own> <gap1><water>",
        "inject(?:ing)? <gap3>(?:insulin|heroin|air|potassium|everything|<pills>)",
        "(?:jump|jumping|lie|lying|lay|lie down|lay down) on(?:to)? (?:the )?(?:train |railway )?(?:tracks|rails)",
        "(?:drive|driving|crash|crashing|steer|swerve) <gap3>(?:into|off|against) <gap3>(?:tree|wall|bridge|river"
        "|traffic|cliff|truck|lorry|van|bus|train|pole|lake|sea|barrier|road|highway|ditch|pier|oncoming)",
        "(?:take|taking|swallow|swallowing|down|eat|drink|drinking) <gap3><plenty> <gap4><pills>",
        "(?:drink|drinking|swallow) (?:some )?(?:bleach|antifreeze|poison|rat poison|drain cleaner)",
        "pull(?:ing)? the trigger(?! on (?!me|my|myself))",
        "(?:bleed|bleeding) (?:out|to death)",
        "do away with <self>",
        "hold my weight",
        "be dead",
        "not be alive",
        "sleep (?:forever|<gap2>(?:never|not) wake up)",
    ),
    _rule(
        "harm_to_self",
        "intent",
        "die died dying dead death",
        (*_OWN, figure, fiction),
        "i <gap2>@(?:want|wanted|need|am ready|deserve|would like|would love|am going|would rather|should|long|am "
        "begging|am praying|would prefer|have decided|hope) (?:to |i )?(?:just |really |fucking |so badly )*die(?! "
        "(?:a|in a) )",
        "(?:want|wanting|ready|begging|wish i could|hope i|let me|deserve|decided|makes me want) (?:to )?(?:just )?die",
        "(?:want|wanting|longing|wish|wishing|ready) <gap2>(?:to be |i (?:was|were) |for )(?:dead|death)",
        "(?:wish|wished|wishing) (?:that )?i <gap2>(?:dead|die|died)",
        "(?:better off|be better|rather be|want to be|deserve to be|should be|if i <gap1>(?:was|were|am)|when i am) "
        "dead",
        "(?:better|easier|happier) if i <gap1>(?:died|die)",
        "i (?:am going to|have to|must|will|plan to|have decided to) die(?: <time>| by my own| at my own|(?= $)|(?= "
        ",))",
        "(?:decided|chosen|choosing) to die",
        "i am dying (?:tonight|today|tomorrow|by my own)",
        "high enough to die",
        "is (?:the|my) (?:day|night|time) (?:that |when )?i <gap3>die",
        "(?:thoughts?|thinking|dreaming|dream|fantasi[sz]ing) (?:of|about) (?:my (?:own )?death|dying|being dead)",
        "(?:painless|painful|easiest|quickest|fastest|easy|quick|best|peaceful|cheapest) <gap1>ways? (?:to|of|for) "
        "(?:me to )?(?:die|dying|be dead)",
        "how (?:do|can|could|should) i (?:just )?(?:die|be dead)",
        "how long <gap4>to (?:die (?:from|of|by) (?:carbon|hanging|exhaust|blood|an overdose|bleeding)|(?:bleed|choke"
        "|hang) to death)",
        "how (?:high|tall|far) <gap8>(?:jump|fall|bridge|drop) <gap8>(?:die|dead|death)",
    ),
    _rule(
        "harm_to_self",
        "intent",
        "live living alive exist existing existence life born wake waking world earth planet",
        (negated, past, quoted, figure, fiction),
        "@(?:not|never|no longer|nor) (?:really |even )?(?:want|wish|care|deserve|fit|able|need|bear) (?:to "
        ")?<gap2>(?:live|living|exist|be alive|being alive)(?! (?:in|with|at|near|here|there|on campus|by|together|off"
        "|next|under|without|abroad|paycheck|beyond|up|far|a lie|that close|so close|somewhere) )",
        "@(?:not|never) (?:want|wish|going|have) to (?:ever )?wake up(?! (?:at|early|for|to|so|my|the|him|her|with"
        "|late|tired|before|tomorrow (?:at|early|for|to)) )",
        "(?:hope|hoping|wish|pray|praying) <gap2>@(?:not|never) wake up",
        "can not (?:go on|keep on|keep|continue|bear) (?:living|life)(?! (?:in|with|at|here|there|near|like) )",
        "(?:no|any|see the|see a|not a|what is the) (?:reason|point|purpose|use) (?:to|in|of|for) <gap1>(?:live|living"
        "|be alive|being alive|exist|existing|life)(?! (?:in|with|here|there|at|near|insurance) )",
        "(?:nothing|no reason) (?:left )?to live for|nothing left to live",
        "(?:not worth living|life is not worth)(?! in )",
        "(?:no|lost the|lost my|lost all) will to live",
        "(?:tired|sick|done|exhausted) (?:of|with) (?:living|being alive|life|existing)(?! (?:in|with|at|here|on"
        "|paycheck|like|out of) )",
        "wish i (?:was|were|had) (?:never|not) (?:been )?born",
        "(?:should not|do not deserve to|not supposed to) (?:be alive|be living|exist|live)",
        "(?:never|not) wak(?:e|ing) up (?:again|ever)|never wake up",
        "(?:leave|leaving|depart) this (?:world|earth|planet|life)",
        "want to be (?:on this (?:earth|planet)|in this world|on earth) (?:anymore|any more)",
    ),
    _rule(
        "harm_to_self",
        "intent",
        "here",
        (past, quoted, fiction, place),
        "(?:not|longer) (?:want|wish) to be here(?: (?:anymore|any more|on)|(?= $)|(?= ,))",
    ),
    _rule(
        "harm_to_self",
        "intent",
        "kill lethal fatal die overdose",
        (negated, quoted, fiction, study, vermin),
        "how (?:many|much|few) <gap8>(?:kill me|kill a person|die|overdose|(?:be |is |are |a )(?:lethal|fatal))(?= "
        "(?:$|,|for me|for someone|from|on|quickly|and|painlessly|instantly|if i|dose for))",
        "(?:would|will|enough|could|can) (?:to )?<gap2>kill me (?:quickly|fast|painlessly|instantly|if i (?:take|took"
        "|drink|jump))",
        "(?:lethal|fatal) (?:dose|amount|quantity) (?:of <gap3>)?for (?:me|my|someone my)",
        "want (?:someone|somebody|you|it|him|her|them|something|god) to (?:just )?kill me",
        "will <gap1>(?:these|those|this|<pills>) <gap3>kill me",
    ),
    _rule(
        "harm_to_self",
        "intent",
        "end ending ended",
        (negated, past, quoted, fiction),
        "(?:(?:going|want|about|ready|decided|have|need|plan|planning) to|will|must|might|should|let me|how i) "
        "(?:just |finally |really )?end (?:it|everything|things)(?: (?:<time>|for good|forever|here|already|once and "
        "for all|my way)|(?= $)|(?= ,))",
        "(?:end|ending|ended) (?:it|everything|things) (?:tonight|for good|forever|permanently|once and for all)(?! "
        "with )",
    ),
)

# (b) What they have just done, or are doing.
_ACTS = (
    _rule(
        "harm_to_self",
        "act",
        "pills tablets packet bottle took taken taking swallowed swallowing downed ate drank drunk had injected "
        "overdosed overdosing overdose",
        (negated, past, quoted, fiction, study, _routine),
        "(?:took|taken|taking|swallowed|downed|ate|drank|had|injected|swallowing) <gap6><plenty> (?:(?!and )\\S+ "
        "){0,4}?<pills>(?! (?:as prescribed|as usual|as directed|on (?:time|schedule)|with (?:food|water)|in the "
        "(?:morning|evening)|this morning as|daily) )",
        "(?:took|taken) (?:(?:some|her|his|the|those|my) )?(?:pills|tablets)(?= $| ,| and (?!(?:felt|feel|feels)))",
        "(?:pills|tablets|packet|bottle) (?:are |is )?(?:all )?(?:swallowed|gone|down)(?= )",
        "swallowed (?:the lot|them all|all of (?:it|them)|everything|it all)",
        "had <gap1><plenty> <gap6>(?:pills|tablets)",
        "swallowed <gap3>(?:pills|tablets|meds|medication|capsules|prescription|batter(?:y|ies)|blades?|glass)",
        "(?:i|<they>) (?:have |has |just |think i |may |might |already |am |is |fucking |intentionally |purposely "
        ")*(?:overdosed|overdosing)(?! on (?:sugar|caffeine|chocolate|cheese|cake|christmas|netflix|memes|cuteness"
        "|coffee|candy|sweets|carbs))",
        "just (?:overdosed|overdose)(?! on (?:sugar|caffeine|chocolate|cheese|cake|netflix|memes|coffee|candy|sweets"
        "|carbs))",
        "(?:took|taken|swallowed) (?:about |like |nearly |over |around |at least )?(?:[2-9]\\d|1[2-9]\\d|twenty|thirty"
        "|forty|fifty|sixty) (?!(?:minutes|hours|days|weeks|months|years|seconds|photos?|pictures|steps|mg|milligrams?"
        "|ml|mcg|percent|classes|credits|courses|people|shots|screenshots|notes|units|dollars|euros|pounds|miles|km"
        "|laps|flights|trips|lessons|students|questions|tests|orders|calls|of|from|off|at|in|on|out|to|for|,|and|it"
        "|orders|samples|measurements|attempts|tries|readings|years?) )\\S+",
        "(?:took|taken|swallowed|taking) <gap2>(?:whole|entire|full) (?:bottle|box|packet|pack|strip|jar|bag) of "
        "(?!(?:wine|beer|water|milk|cookies|chips|sweets|candy|crisps|juice) )",
        "overdosed on purpose",
        "(?:took|taken|taking) (?:an|another|my) overdose(?! of (?!(?:<pills>)))",
        "(?:drank|drunk|swallowed|injected) <gap4>(?:bleach|antifreeze|poison|(?:drain|oven|toilet) cleaner|(?:all"
        "|too much) <gap3>insulin)",
        "(?:already|just) (?:took|swallowed) (?:all of them|them all|everything|all of it|them|the pills|the bottle)",
    ),
    _rule(
        "harm_to_self",
        "act",
        "cut slit slashed sliced opened carved cutting burning carving slicing slashing burned burnt blade hurt hit "
        "punched scratched stabbed punching hitting hurting stabbing starving choking bleeding wrist wrists",
        (negated, *_DONE),
        "i (?:am |keep |still |just |have |started |back to |can not stop )*(?:cutting|burning|carving|slicing"
        "|slashing)(?:(?: open)? (?:myself|my <limbs>|again|right now|now|too deep|deeper)|(?= $)|(?= ,))",
        "i (?:have |just |already )*(?:cut|slit|slashed|sliced|opened|carved) (?:both |open )?my (?:\\S+ )?<limbs>",
        "(?:cut|cutting|slit|slashed) (?:my throat|too deep|myself (?:right now|again|on purpose|deep))",
        "i (?:have |just )*(?:burned|burnt|hurt|hit|punched|scratched|stabbed) myself <gap4>(?:on purpose|deliberately"
        "|again|cigarette|lighter|badly|so bad|in the (?:stomach|chest|neck|leg|arm))",
        "i (?:have|keep) (?:been )?(?:cutting|burning|punching|hitting|hurting|stabbing|starving|choking) myself",
        "bleeding from (?:my|both) <gap1><limbs>",
        "(?:cut|wrists?) <gap6>(?:not|never|will not|does not) (?:stop|stopping|stopped) (?:bleeding|the blood)",
        "blade (?:is )?(?:on|against|to|in) my (?:wrist|skin|arm|throat|hand)",
    ),
    _rule(
        "harm_to_self",
        "act",
        "edge ledge bridge roof rooftop tracks rail railing balcony cliff window building overpass tower park garage "
        "floor side noose rope belt cord gun blade knife barrel razor pistol rifle shotgun scissors engine exhaust "
        "hose gas jump jumping jumped feet tied train subway tube bus truck pier dam viaduct flyover multistorey "
        "storey stairwell scaffold scaffolding terrace crane platform mountain quarry top",
        (negated, *_DONE, study),
        "i am (?:standing |sitting |up |out |here |perched |waiting |lying |laying |stood |sat )*(?:on|at|by|over) "
        "<gap3>(?:edge|ledge|railing|train tracks|railway tracks|tracks|wrong side|rail)(?! of (?:my|the) (?:river"
        "|road|law|history|argument|street|town|seat|bed|pool|sofa|couch|desk|village|town|city|woods|forest|table) )",
        "(?:standing|sitting|i am|perched) <gap1>(?:on|at|over) <gap3><height> <gap6>(?:jump|looking down|ready|edge"
        "|end|water|scared|crying|goodbye|die|do it)",
        "<height> <gap8>(?:going to|about to|ready to|want to|will) <gap1>(?:jump|let go|step off)(?! (?:to|rope|in|on"
        "|into|around|ship|of) )",
        "(?:jump|let go|step off) <gap2>(?:when|as soon as|before|once) <gap3>(?:train|subway|tube|bus|truck)",
        "(?:about|ready|going) to <gap1>jump(?: <time>|(?= $)|(?= ,))",
        "i (?:am )?(?:jump|jumping) (?:off|from) <own> <gap1><height> <time>",
        "(?:noose|rope|belt|cord) <gap2>(?:around|round|on) (?:my|his|her|their) neck",
        "(?:noose|rope|belt|cord|tied) <gap8>(?:chair|stool|beam|rafters?|ceiling)(?= )",
        "feet on the (?:chair|stool|rail|ledge)",
        "(?:hose|exhaust) <gap8>(?:window|pipe|car|engine)",
        "jumped (?:off|from|out of|in front of|under) <own> <gap1>(?:<height>|<vehicle>)(?! (?:into|and (?:swam"
        "|landed safely)) )",
        "(?:gun|blade|knife|barrel|razor|pistol|scissors|rifle|shotgun) <gap6>(?:to|on|against|in|at) my (?:own "
        ")?(?:head|mouth|wrists?|throat|temple|chest|neck|arm|skin)",
        "(?:tied|tying|made|making|hung) (?:the|a|my) noose",
        "(?:engine|car) <gap2>running <gap6>garage|garage <gap6>(?:engine|car) <gap2>running",
        "turned (?:on )?the gas <gap6>(?:waiting|wait|lie|lying|sleep|die|goodbye|end)",
    ),
    _rule(
        "harm_to_self",
        "act",
        "tried attempted",
        (past, quoted, fiction, study),
        "i <gap2>(?:tried|attempted) (?:to )?(?:kill myself|end (?:it|my life)|hang myself|suicide|overdose|die"
        "|commit suicide) <gap4><lately>",
    ),
)

# (c) The means at hand, and an intent.
_MEANS = (
    _rule(
        "harm_to_self",
        "means",
        "gun pistol rifle shotgun revolver handgun firearm rope noose razor razors blade blades knife scissors pill "
        "pills belt cord tablet tablets meds medication medications loaded",
        (negated, past, quoted, fiction, vermin),
        "<means> <gap8>(?:do it|use (?:it|them) on (?:myself|me)|end it|end everything|end my|die|take them all|hang"
        "|go through with it|finish it|swallow)",
        "(?:ready to do it|end it|going to do it|tempted|want to die) <gap4>(?:with|using|by|and) <gap6><means>",
        "(?:loaded|dad is|father is|my) (?:gun|pistol|rifle|shotgun|revolver|handgun) <gap2>(?:in my (?:hand|lap"
        "|mouth)|next to me|beside me|on my lap|right here|in front of me|to my head|on the bed)",
        "(?:pills|tablets|meds) <gap1>(?:lined up|counted out|laid out|in front of me|next to me|beside me|in my hand)",
        "(?:lined up|counted|counting|hoard\\w+|saved up|saving up|stockpil\\w+|collecting|collected|stashed) "
        "<gap3>(?:pills|tablets|meds|medications?)",
        "(?:bought|got|have|found|ordered|stole|took|holding|hold) <gap3><means> <gap3>(?:to|and|for|so) <gap6>(?:end"
        "|die|do it|hang|jump|myself)",
        "(?:holding|staring at|looking at|sitting (?:here )?with|alone with) <gap3>(?:razor|razor blade|blade|noose"
        "|bottle of <gap1>pills|loaded \\S+|rope|(?:my|the|a) gun)",
        "(?:noose|rope) is (?:ready|tied|up|set|hanging|waiting)",
        "i have (?:got )?(?:a|the|my) noose",
    ),
)

# (d) A goodbye, or an end with a time.
_ENDINGS = (
    _rule(
        "harm_to_self",
        "ending",
        "note notes letter letters message messages video videos goodbye goodbyes farewell last final dead gone "
        "hanging alive around here body see survive tomorrow morning sunrise tonight night day over never",
        (negated, past, quoted, fiction, study),
        "(?:suicide|my final|my goodbye|my farewell) (?:notes?|letters?)(?! (?:in|was|generator|of) )",
        "(?:wrote|written|writing|finished|finishing|left|leaving|sealed) <gap2>(?:goodbye|farewell|suicide|final) "
        "(?:notes?|letters?|messages?|videos?)(?! (?:to|for) (?:\\S+ )?(?:colleagues?|co ?workers?|team|company|boss"
        "|students|clients) )",
        "(?:last|final) (?:night|evening|day|hours?|sunset|sunrise) (?:on (?:this )?(?:earth|planet)|alive|of my life"
        "|living)",
        "(?:tonight|today|tomorrow|this) (?:is|will be) <gap1>my (?:last|final) (?:night|day|message|text|post|words"
        "|goodbye)(?! (?:at|of|in|with|before|on|as|here|to|for) )",
        "this is (?:my )?(?:final )?goodbye(?! (?:to|party|cake|from|letter) )",
        "by the time <gap4>(?:i|this i) (?:will |am |would )?(?:be )?<gap1>(?:dead|gone|hanging)",
        "i (?:am going to|will|am) (?:be )?<gap1>dead (?:by|<time>|before|in the morning|when you)",
        "i will be gone (?:by (?:the )?(?:tomorrow|morning)|tonight|in the morning|forever|for good)",
        "i (?:will|am) not (?:going to )?be (?:alive|around|here) <gap1>(?:tomorrow|by|in the morning|anymore|much "
        "longer|after tonight|to see|come morning|long)(?! (?:morning|at|for|meeting|because) )",
        "i (?:will|am) not (?:going to )?(?:see|make it to|make it through|make it past|live to see|survive) (?:the "
        "|another )?(?:tomorrow|morning|sunrise|tonight|night|day)(?! (?:shift|show|at) )",
        "goodbye (?:cruel world|world|everyone|everybody|forever|all|to you all|my friends)(?! (?:at|in the office"
        "|from) )",
        "(?:said|saying|say) (?:all )?my (?:final |last )?goodbyes?(?! (?:to|at) (?:my|the|our) (?:dog|cat|house|team"
        "|co ?workers|colleagues|old) )",
        "(?:it|everything|my life) will (?:all )?be over (?:tonight|tomorrow|soon enough|by <gap1>(?:tomorrow|morning"
        "|midnight))",
        "you will never (?:see|hear from) me again",
        "(?:find|found|finds|discover|identify) my (?:dead |lifeless )?body",
        "find me (?:dead|hanging)",
        "last time (?:you|anyone|they) will (?:ever )?(?:hear|see) (?:from )?me",
    ),
)

_ATTACK = _any(
    "kill murder stab shoot strangle choke poison hurt harm attack rape smother suffocate drown behead torture "
    "slaughter punch",
    "molest kidnap butcher assault execute hit slap shove shank knife gut bash batter throttle drug end beat gun_down "
    "hunt_down",
    "run_down run_over mow_down take_out finish set_fire_to killing murdering stabbing shooting strangling choking "
    "poisoning hurting",
    "harming attacking raping smothering drowning punching torturing hitting shaking",
)
_HARMLESS = _any(
    "the this that these those my your his her their our a an it its some any each two both off up out at for from in "
    "on with by",
    "through and or but if when while as so again more less better first straight time cells? bacteria germs weeds "
    "mou?ld rats mice",
    "ants roaches bugs zombies process\\S* jobs? cravings cancer pests hoops films? videos? photos? pictures "
    "portraits emails?",
    "baskets free_throws threes raw deer ducks clay skeet pool stars myself yourself (?:him|her|it|them|our)sel(?:f"
    "|ves) me us",
    "enem(?:y|ies) monsters npcs bosses boss_fights mobs bots trees plants grass fleas wasps flies spiders people "
    "everyone",
    "landscapes weddings street sports wildlife birds fish productivity procrastination inflation demand momentum not "
    "or_be to",
)
# (e) Harm to other persons: meant, done, or suffered now.
_VIOLENCE = (
    _rule(
        "harm_to_others",
        "others",
        "kill killing murder murdering stab stabbing shoot shooting strangle strangling choke choking poison "
        "poisoning hurt hurting harm harming attack attacking rape raping smother smothering suffocate drown drowning "
        "behead torture torturing slaughter punch punching molest kidnap butcher assault execute hit hitting slap "
        "beat beating slit cut shake shaking run running push pushing throw throwing burn shove shank knife gut bash "
        "batter throttle drug end gun hunt mow take finish set hold holding keep put crash let break smash cave crush "
        "drive driving ram plough fire",
        (_not_meant_by_me, *_OTHERS),
        f"{_ATTACK} <someone>(?! (?:up (?:about|with)|business|some|for (?:a|the) (?:opinion|price|quote)) )",
        # A name can be any word, so what is harmless is listed instead.
        f"(?:kill|murder|stab|strangle|smother|behead|slaughter|shoot|killing|murdering|stabbing|shooting) "
        f"(?!{_HARMLESS} )[a-z]+",
        "(?:beat|beating) <someone> (?:up|until|till|til|unless|to death|unconscious|bloody|senseless|with (?:a|my)"
        "|so)",
        "(?:beat|beating) the \\S+ out of <someone>",
        "(?:slit|cut) (?:<their>|my \\S+) <gap1>throats?",
        "(?:hold|holding|push|pushing|keep) <someone> under(?= (?:$|,|the water|water|until|till))",
        "put <someone> through (?:the|a) (?:wall|window|floor)",
        "crash <gap4>with (?:all|both) of us",
        "let (?:her|him|them) drown",
        "(?:shake|shaking) (?:the|my|this) <gap1>baby",
        "(?:run|running) <someone> over",
        "(?:push|throw)(?:ing)? <someone> (?:off|down|out of|in front|under)",
        "burn <gap3>(?:house|apartment|home|place|car|school|office|shop) down",
        "set(?:ting)? fire to <gap2>(?:house|apartment|home|place|car|school|office|shop|flat|building|church|mosque)",
        "(?:break|smash|cave|crush) (?:his|her|their|your) (?:neck|skull|head|legs?|jaw|face|arms?|ribs)",
        "(?:drive|driving|ram|plough) <gap3>(?:into|through) <gap2>(?:crowd|people|them|him|her|protest\\w*|parade"
        "|market|school)",
        "(?:cut|slit|stab) (?:his|her|their|your) <gap1>(?:throat|neck|face|eyes|heart)",
    ),
    _rule(
        "harm_to_others",
        "others",
        "kill murder poison strangle stab drown hurt",
        _OTHERS,
        "how (?:to|do i|can i|do you|could i) <gap1>(?:kill|murder|poison|strangle|stab|drown) <someone>",
        "ways? to (?:kill|murder|poison|drown|strangle|hurt) <someone>",
        "(?:kill|murder|stab|hurt) <someone> <gap6>(?:gun|knife|rifle|pistol|in (?:his|her|their) sleep)(?= )",
    ),
    _rule(
        "harm_to_others",
        "others",
        "gun knife rifle pistol shotgun machete bat axe bomb weapon hammer shooting shoot attack explosives pay die "
        "set torch blow blowing poison antifreeze arsenic many drink food coffee tea soup",
        (negated, past, quoted, fiction, trivial),
        "(?:shoot|shooting|blow|blowing) up (?:my|the|his|her|this|a|our) <gap1>(?:<public>|warehouse|store|factory"
        "|plant|shop|bar|club|station|house|courthouse|site|restaurant|market|bank|whole \\S+)",
        "bomb <gap8>(?:set it off|detonate|explode|go off)",
        "(?:shoot|kill) as many",
        "(?:something|poison|drugs?|pills) (?:in|into) (?:his|her|their) (?:drink|food|coffee|tea|soup)",
        "<intent> <gap2>(?:bomb|attack) (?:my|the|his|her|this|a|our) <gap1><public>",
        "(?:set|torch) <gap2>(?:house|apartment|home|school|office|car|him|her|them) on fire",
        "(?:bring|bringing|take|taking|brought|carrying) <gap2><weapon> <gap1>(?:to|into) (?:<own> )?(?:<public>"
        "|house)",
        "<weapon> <gap6>(?:use it on|going to use|kill|shoot|stab|attack) <someone>",
        "(?:have|got|holding|with) <gap2><weapon> <gap4>(?:waiting|outside|going to) <gap3>(?:him|her|them|their|house"
        "|pay)",
        "<weapon> <gap6>(?:make|making) (?:them|him|her|everyone|you|people) pay",
        "(?:they|he|she|everyone|all of them|you)(?: are| is)?(?: all)? (?:going to|will|must|deserve to|has to|have "
        "to)(?: all)? (?:pay|die) (?:tonight|tomorrow|today|for what|by my hand)",
        "(?:put|putting|slipped|slip|poured|pour|mixed) <gap2>(?:poison|antifreeze|arsenic) <gap1>(?:in|into) "
        "<gap1>(?:<their>|my)",
    ),
    _rule(
        "harm_to_others",
        "others",
        "stabbed shot killed strangled choked murdered poisoned smothered drowned hit shook punched beat beaten "
        "attacked raped suffocated hurt pushed dropped threw ran run hands hand pillow end outside stabbing "
        "strangling choking beating hitting hurting smothering drowning",
        (*_OTHERS, sport),
        "i (?:have |just |already |think |i |may |might |think i have )+(?:stabbed|shot|killed|strangled|choked"
        "|murdered|poisoned|smothered|drowned|hit|punched|attacked|raped|suffocated|hurt|pushed) <someone>(?! (?:up|on"
        "|with an? (?:email|text|idea)) )",
        "i (?:think i )?(?:have )?(?:shot|killed|stabbed|strangled|murdered|poisoned|smothered|suffocated|raped) "
        "<someone>",
        "i (?:have |just )*(?:beat|beaten) <someone> (?:up|until|unconscious|bloody|so bad|badly|to death)",
        "(?:ran|run) <someone> over(?: on purpose| with my|(?= $)|(?= ,)| and)",
        "outside (?:his|her|their) <gap3>with a <weapon>",
        "hands? <gap2>(?:around|round|on) (?:his|her|their|my \\S+ is) (?:neck|throat)",
        "pillow <gap1>over (?:his|her|their|my \\S+ is) (?:face|mouth|head)",
        "<time> i end (?:him|her|them)",
        "i (?:have |just )*(?:pushed|threw) <someone> (?:down|off|out of|under|in front)",
        "i am <gap1>@(?:stabbing|strangling|choking|beating|hitting|hurting|smothering|drowning) <someone>(?! (?:up|at"
        "|in|by|on) )",
        "i <gap1>@(?:shook|hit|hurt|dropped|threw) (?:the|my) <gap1>baby",
    ),
    _rule(
        "harm_to_others",
        "others",
        "beating hitting strangling choking stabbing attacking raping punching kicking hurting shooting assaulting "
        "molesting kill stab shoot strangle murder rape choke drown poison hurt beat burn gun knife machete bat axe "
        "breaking broke break smashing forcing get attacked raped beaten stabbed kidnapped hostage strangled choked "
        "shot assaulted beat beats chokes strangles killing attack attacks threatening threatened threatens punched "
        "hit hits shooter locked weapon bomb hammer rifle shotgun pistol",
        (negated, idiom, past, quoted, fiction, study, trivial),
        "<they> (?:is |are |keeps |just |was |started |will not stop )+@<gap1>(?:beating|hitting|strangling|choking"
        "|stabbing|attacking|raping|punching|kicking|hurting|shooting|assaulting|molesting) (?:(?:up )?on )?(?:me"
        "|<someone>)(?! (?:up|at|in|by|on|out|ass|to the|with (?:questions|emails|work)) )",
        "<they> (?:is |are |keeps |just |has |have )+@<gap1>(?:threatening|threatened|trying|tried) to (?:kill|stab"
        "|shoot|strangle|murder|rape|choke|drown|poison|hurt) (?:me|<someone>)",
        "<they> (?:is|are) @<gap1>going to (?:kill|stab|shoot|strangle|murder|rape|hurt|beat) (?!you)<someone>",
        "<they> (?:is|are) @<gap1>going to (?:kill|stab|shoot|strangle|murder|rape|hurt|beat) me (?:right now|tonight"
        "|with|and i am|please|help|if i leave)",
        "<they> <gap3>(?:will|going to|would) (?:kill|murder|shoot|hurt) me (?:if|when|before) i (?:leave|tell|call"
        "|go to the|report|try to)",
        "(?:threaten(?:ing|ed|s)) (?:me|<someone>) with (?:a|<their>|the) <gap1><weapon>",
        "(?:gun|knife|machete) <gap1>(?:to|at|against) (?:my|<their>|our) (?:head|throat|neck|face|chest|back)",
        "(?:has|have|got|with|holding|waving) a (?:gun|knife|machete) <gap3>(?:trying|pointed|pointing|threatening"
        "|says|coming|outside|at (?:me|us|her|him)|screaming|in my|chasing|looking for|going to)",
        "(?:outside|here|coming|chasing|running|after me|man|someone|guy|woman|boy|he|she) (?:is )?<gap3>with a (?:gun"
        "|knife|rifle|machete|axe|bat|shotgun)(?= (?:$|,|in|at|outside|inside|on|and|right now|chasing|threatening"
        "|trying|coming))",
        "(?:pointing|pointed|points|aiming) <gap3>(?:gun|knife|rifle|pistol|shotgun) at",
        "<they> is killing (?:her|him|them|us|my \\S+)(?! (?:it|with|in|at|vibe|mood|grades?) )",
        "<they> <gap2>@(?:threatening|threatened|threatens) to (?:kill|stab|shoot|strangle|rape|murder|burn|hurt"
        "|attack|beat) (?!(?:himself|herself|themselves))\\S+",
        "(?:hiding|locked myself|trapped|barricaded|please help|call the police) <gap8>(?:kill|hurt|murder|beat) (?:me"
        "|us)",
        "(?:someone|somebody|man|men|guy|he|ex|stranger|people|they|intruder|husband|boyfriend) (?:is |are |just |has "
        ")*(?:breaking|broke|trying to break|trying to get|smashing|forcing) <gap1>(?:in|into|down) <gap2>(?:house"
        "|home|door|apartment|room|window|flat|now|right now|and)",
        "(?:i am|we are|she is|he is|i was just|i just got|i keep) (?:getting )?(?:being )?(?:attacked|raped"
        "|beaten(?! by| at| in )|stabbed|kidnapped|held hostage|strangled|choked|shot at|assaulted)",
        "(?:active shooter|shooter (?:in|at|outside)|held hostage|locked (?:me|us) in)",
        "<they> (?:just |tried to |then )?(?:beat|beats|chokes?|choked|strangle[ds]?|punched|stabbed|shot|raped|hits?"
        "|attacked) (?:me|us) <gap4>(?:now|tonight|again|scared|afraid|today|bleeding|hiding|help|blood)",
    ),
)

# (f) Somebody else, about to harm themselves or found having done so.
_SOMEBODY_ELSE = (
    _rule(
        "harm_to_self",
        "third_person",
        "himself herself themselves theirself theirselves",
        (_aimless, *_TOLD),
        "(?:kill|hang|shoot|hurt|harm|cut|stab|drown|murder|poison|burn|off|top|end|neck|set|starve)(?:t?ing)? "
        "<themselves>(?! (?:in the (?:foot|leg)|laughing|out to dry|over|at (?:the gym|work)|to (?:meet|finish)"
        "|working|trying|shaving|cooking) )",
    ),
    _rule(
        "harm_to_self",
        "third_person",
        "himself herself themselves theirself theirselves cutting hurting harming burning killing life lives jump "
        "jumping die dying dead overdose overdosing suicide suicidal end ending alive live exist wake",
        _TOLD,
        "<they> <gap6>@(?:is|are|keeps|started|been|just) <gap1>(?:cutting|hurting|harming|burning|killing) "
        "(?:<themselves>(?! (?:over|working|trying|at|to|for|shaving) )|again|right now)",
        "<they> <gap6>@<intent> <gap2>(?:take|end|taking|ending) (?:his|her|their) (?:own )?(?:life|lives)(?! (?:in|to"
        "|back|seriously) )",
        "<they> <gap6>@(?:(?:going|wants?|wanted|threatening|threatens|threatened|about|planning|trying|ready"
        "|decided) to|might|will|threatening|talk(?:s|ing) about|considering|planning|thinking (?:of|about)|says (?:he"
        "|she|they) will) <gap1>(?:jump|jumping|die|dying|overdose|overdosing|commit suicide|committing suicide"
        "|suicide|end it|ending it|be dead)(?! (?:of|laughing|in|from|with|at|ship|on|rope|into|peacefully|prevention"
        "|awareness|(?:up )?and down) )",
        "<they> <gap4>(?:is|are|seems|sounds|feels|feeling|might be|may be|been) <gap1>@suicidal",
        "<they> <gap4>@(?:does not|do not|no longer|not) wants? to (?:live|be alive|exist|wake up)(?! (?:in|with|at"
        "|here|there|near|early|on) )",
        "<they> <gap4>@(?:wishes|wished|wish) (?:he|she|they) (?:was|were) dead",
        "<they> <gap4>@better off (?:dead|if (?:he|she|they) (?:was|were) dead)",
        "(?:tried|attempted|trying|attempting) (?:to )?(?:(?:kill|hang|shoot) <themselves>|end (?:his|her|their) life"
        "|suicide|overdose|commit suicide) <gap4><lately>",
    ),
    _rule(
        "harm_to_self",
        "third_person",
        "took taken taking ate drank had goodbye suicide farewell final hanging hanged noose note rifle shotgun "
        "pistol unconscious bridge roof ledge edge tracks rooftop railing balcony cut slit slashed gun pills knife "
        "razor rope car",
        (negated, past, quoted, fiction, study),
        "<they> <gap4>@(?:took|taken|taking|ate|drank|had) <gap6><pills> <gap6>(?:unconscious|passed out|vomiting|not "
        "(?:wak\\w+|respond\\w+|mov\\w+|answer\\w+))",
        "<they> <gap4>@(?:sent|texted|left|wrote|posted|writing|saying|said|messaged|sending|says) <gap3>(?:(?:goodbye"
        "|suicide|farewell|final) (?:texts?|messages?|note|letter|post|video)|goodbye(?= $| and| ,| to (?:everyone"
        "|everybody|all|us|me)))(?! (?:for|on|to) (?:<their>|the) (?:channel|show|team|fans) )",
        "left (?:me |us |him |her )?a note(?= $| ,| and (?!went)| saying (?:sorry|goodbye)| for (?:everyone|us))(?! "
        "(?:about|on) )",
        "found <gap3>(?:suicide note|goodbye note|hanging from|unconscious|a noose|hanged)",
        "<they> <gap2>@(?:is|are) (?:standing |sitting |up )*(?:on|at) <gap4>(?:bridge|roof|ledge|edge|tracks|rooftop"
        "|railing|balcony)(?! of ) <gap6>(?:jump\\S*|end|die|crying|refus\\S+|drunk|not (?:come|move|get)|threatening"
        "|help|says)",
        "<they> <gap3>@(?:cut|slit|slashed) (?:his|her|their) <gap1>(?:wrists?|throat|veins?)",
        "locked <gap1>in <gap6>(?:gun|car running|pills|knife|razor|rope)",
        "(?:gun|knife|rifle|shotgun|pistol|rope) (?:to (?:his|her|their) (?:own )?(?:head|throat|wrist|neck)|in (?:his"
        "|her|their) (?:lap|mouth|hand)|and <gap3>(?:says|said|crying|wants to die|driven off|gone|will not|locked))",
        "(?:has|taken|took|got|with) (?:his|her|their|the|my|a) <gap1>(?:gun|rifle|shotgun|pistol|rope) "
        "<gap8>(?:goodbye|will not|had enough|note|can not go on|die|gone|alone|crying|drunk|not (?:let|come"
        "|answer\\S*))",
    ),
    _rule(
        "harm_to_others",
        "third_person",
        "breathing unresponsive unconscious bleeding waking wake responding blood moving passed",
        (past, quoted, fiction, study),
        "(?:<they>|and) (?:is |are |has |who |just |will |can )*(?:not|stopped|barely) (?:breathing|responding|moving"
        "|waking up|wake up)(?! (?:to|out|in|house|on|forward|fast|until|early|on time|for|at|before) )",
        "breathing (?:weird|weirdly|funny|strange|strangely|badly|slowly)",
        "drink and <gap3>passed out",
        "<they> (?:is |are |just )*(?:unresponsive|unconscious|bleeding (?:out|badly|heavily|a lot|to death))",
        "blood everywhere",
    ),
)

RULES: tuple[Rule, ...] = (*_INTENTS, *_ACTS, *_MEANS, *_ENDINGS, *_VIOLENCE, *_SOMEBODY_ELSE)
