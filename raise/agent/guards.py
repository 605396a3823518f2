"""What makes words about death or violence harmless: denial, idiom, the past, fiction, sport, trifles, vermin, study.

A guard sees one match of a rule and the words around it, never the whole message, so what it excuses cannot hide
another statement in the same sentence or the next. Where it is not sure it lets the match stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REACH = 160
"""Characters to each side that a guard sees; it also keeps the time linear."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a rule matched. Sentences are plain words with one space around each (``sentences``)."""

    said: str
    """What matched, with the space before it."""
    left: str
    """Up to the match, ending in a space."""
    until_act: str
    """Up to the act itself, ending in a space; longer than ``left`` where the rule matches words before the act."""
    right: str
    """What follows, beginning with a space."""
    before: str
    """The end of the sentence before."""

    @property
    def around(self) -> str:
        """The match with its neighbourhood."""
        return self.left + self.said[1:] + self.right


def _one_of(*words: str) -> str:
    return f"(?:{'|'.join('|'.join(some.split()) for some in words)})"


_MEANT = re.compile(
    r" (?:am|are|is|will|must|wants?|needs?|ready|about|going|gonna|decided|planning|plan|chosen|keep|keeps) (?:\S+ "
    r"){0,3}$"
)
_MEANT_WORDS = re.compile(r" (?:am|will|want|wants|need|going|ready|decided|about to) ")


def _meant_now(match: Match) -> bool:
    """A present intent leads to the act: neither the past nor a kitchen explains that."""
    return bool(_MEANT.search(match.until_act[-60:]) or _MEANT_WORDS.search(match.said))


_DENIAL = re.compile(
    r" (?:(?:am|is|are|was|were|do|does|did|would|will|have|has|had) not|never|without|nor|no (?:plans?|intentions?"
    r"|intent|desire|thoughts?|wish|interest|longer)|asked (?:me )?(?:if|whether) i (?:am|was|feel)|not (?=thinking "
    r"|planning |going |suicidal |trying |about |$))(?: (?:to|going|go|want|wanting|wants|wanted|planning|plans?"
    r"|trying|try|tried|thinking|think|thought|about|of|on|intend|intending|intention|intent|ever|actually|really|even"
    r"|at|all|any|desire|wish|feel|feeling|felt|like|or|be|being|been|currently|in|having|had|have|considering"
    r"|considered|talking|suggesting|seriously|a|the|risk|danger|anything|hurt|kill|(?:saying|mean|think|suggesting"
    r"|implying) (?:that )?(?:i|he|she|they) (?:am|is|are|will|would|wants?)))* $"
)
_HOLLOW = re.compile(
    r" (?:(?:tonight|today|yet|right now|this time|more|anything more|so (?:bad|badly|much))|(?:\S+ ){0,4}(?:lied"
    r"|lying)|(?:\S+ ){0,6}but (?:i|they|the voices) (?:am going|will|have to|might|may|must|need|can not|do not "
    r"(?:see|know|have)|think|make))(?= )"
)
_UNDENIED = re.compile(r" (?:why|reasons?|point|promised|if|whether) (?:\S+ ){0,2}$")


def negated(match: Match) -> bool:
    """A denial governs the act, with light words alone in between: "I'm not going to", "no plans to".

    "Not tonight" and "why should I not" deny nothing; nor does "trying not to".
    """
    denial = _DENIAL.search(match.until_act)
    if denial is None or _HOLLOW.match(match.right):
        return False
    return _UNDENIED.search(match.until_act, 0, denial.start() + 1) is None


_IDIOM = re.compile(
    r" (?:in the (?:foot|leg|arm)|laughing|out to dry|to dry|with (?:work|kindness|laughter|a look|love)|than|with "
    r"(?:his|her|their|your|all these) (?:\S+ )?(?:jokes?|puns?|snoring|cooking|cuteness|questions|music)|(?:at|in) "
    r"(?:the )?(?:gym|crossfit|chess|tennis|golf|poker|scrabble|mario kart|ping pong|pool|uno|monopoly|fifa|court|race"
    r"|game|election|finals?|match|playoffs|debate|vote|ring|ratings|next round)|over (?:a|an|one|some|this) (?:bad "
    r")?(?:grade|exam|test|deadline|project|game|essay|report|typo|mistake|b|c)|(?:a|an|some|the|that|this|your|my"
    r"|over|back) (?:\S+ )?(?:e ?mail|mail|text|message|dm|line|note|call|invoice|link|photo|picture|selfie|portrait"
    r"|look|glance|smile|question|curtain|coat)|(?:off|from) (?:from )?the (?:list|team|email|call)|(?:deeply"
    r"|emotionally|financially|professionally)|by (?:leaving|breaking|saying|telling|moving|being)|(?:is )?(?:feelings"
    r"|chances|reputation|ego|career|case|pride|wedding|birthday|headshots?|engagement)|if i (?:leave|say|tell|break"
    r"|do not|move|quit|reject|decline))(?= )"
)
_TOIL = re.compile(
    r" (?:(?:trying )?to (?!get (?:away|out))|trying|working|at (?:the|this|my) (?:gym|job|office)|at work|over|for "
    r"(?:a|an|the|this|my)|with (?:work|overtime|this|these)|in (?:the|this) (?:gym|class)) "
)
_FIGURATIVE = re.compile(
    r" (?:political|career|social|commercial|financial|professional|brand|economic|electoral|corporate) suicide$"
)


def idiom(match: Match) -> bool:
    """ "Shoot myself in the foot", "shoot him an email", "killing myself to meet a deadline", "career suicide"."""
    if match.said.endswith(" killing myself") and _TOIL.match(match.right):
        return True
    return bool(_IDIOM.match(match.right) or _FIGURATIVE.search(match.left + match.said[1:]))


_DIE_OF = re.compile(
    r" (?:of (?:embarrassment|shame|laughter|laughing|boredom|hunger|thirst|cringe|cuteness|curiosity|old age|heat"
    r"|cold|jealousy|happiness|envy|anticipation|natural)|laughing|on (?:this|that|the) (?:hill|inside)|inside|happy"
    r"|rich|from (?:embarrassment|laughing|laughter|cringe|boredom|cuteness|the|second ?hand|cancer)|some ?day|one day"
    r"|peaceful\w*|(?:\S+ ){0,4}with dignity|in (?:my|their|his|her) sleep (?:at|when)|before (?:my|i|him|her"
    r"|retiring)|than|trying|to (?:know|see|try|hear|meet|get|go|have|eat|watch|read|find|ask)|without (?:seeing"
    r"|trying|knowing|ever)|a (?:hero|legend|virgin)|young|old|knowing) "
)
_EMBARRASSED = re.compile(
    r" (?:embarrass\w+|cring\w+|mortif\w+|awkward|laugh\w*|so (?:cute|funny|adorable|good)|obsessed|gorgeous|delicious"
    r"|hospice|life insurance|plane|turbulence|roller ?coaster|burpees|leg day|sauna) "
)


def figure(match: Match) -> bool:
    """ "Die of embarrassment", "a hill to die on", "die at home with dignity"."""
    return bool(_DIE_OF.match(match.right) or _EMBARRASSED.search(match.around))


_PAST = re.compile(
    r" (?:(?:years?|decades?) (?:ago|back|clean|sober|free|later)|last year|used to|long (?:time )?ago|as a (?:kid"
    r"|child|teen|teenager|young)|when i was (?:a|an|in|younger|young|little|about|around|\d+|\w+teen|twelve)|in (?:19"
    r"|20)\d\d|back (?:in|then)|in (?:high school|college|my (?:teens|twenties|thirties|youth))|surviv\w+|recovered"
    r"|in recovery|at age \d+|during (?:high school|college|my teens)|the (?:19|20)?\d0s) "
)
_BACK_NOW = re.compile(
    r" (?:again|still|tonight|today|lately|this (?:time|week|morning)|these days|coming back|came back|(?:are|is) back"
    r"|right now|last (?:night|week)|yesterday|now i (?:want|will)|relaps\w+|even now|i am (?:going|about|planning) "
    r"to) "
)


def past(match: Match) -> bool:
    """Clearly over ("ten years ago", "when I was fifteen"), and nothing beside it says that it is back."""
    around = match.around
    return bool(_PAST.search(around)) and not _meant_now(match) and not _BACK_NOW.search(around)


_WORK_OF_FICTION = _one_of(
    "novels? stor(?:y|ies) screenplay script fanfic\\w* characters? protagonist antagonist hero heroine villain "
    "narrator",
    "scene chapter lyrics? song songs poem movies? films? show series episode season game quest translate translation",
    "phrase line quote sentence book title dialogue play roleplay dnd campaign sitcom anime manga opera musical comic",
    "podcast documentary album track hamlet juliet romeo essay monologue meme",
)
_GAME = _one_of("game minecraft fortnite gta skyrim sims level dream nightmare")
_SAYS = _one_of(
    'where when which who that says? said saying goes called titled tells shouts yells screams whispers about "'
)
_GOING_ON = r"(?!and |but |so |because |, )\S+ "
_ATTRIBUTED = re.compile(
    rf" {_WORK_OF_FICTION} (?:(?!and |but |so |because )\S+ ){{0,16}}?{_SAYS} (?:{_GOING_ON}){{0,6}}$"
    rf"| (?:in|playing) (?:\S+ ){{0,2}}{_GAME} (?:{_GOING_ON}){{0,4}}$"
)
_QUOTE_OPEN = re.compile(r' " (?:[^" ]+ ){0,25}$')
_NAMED_AFTER = re.compile(
    rf'(?: [^" ]+){{0,12}} " (?:\S+ ){{0,10}}?'
    rf"(?:{_WORK_OF_FICTION}|french|spanish|german|italian|japanese|latin|mean|grammar\w*|idiom|expression) "
)


def quoted(match: Match) -> bool:
    """The words of a song or a character, or a phrase to translate, and marked as such."""
    if _ATTRIBUTED.search(match.left):
        return True
    return bool(_QUOTE_OPEN.search(match.left) and _NAMED_AFTER.match(match.right))


_STORY = re.compile(
    r" (?:(?:in|for|of|from|on) (?:the|a|my|this|that|our|an|his|her) (?:\S+ ){0,2}(?:novel|story|screenplay|script"
    r"|scene|fanfic\w*|chapter|song|poem|movie|film|show|series|episode|season|game|book|play|campaign|anime|manga"
    r"|comic|video|podcast|opera|musical)|(?:my|the|a|main|your|his|this) (?:\S+ )?(?:character|protagonist|antagonist"
    r"|villain|hero|heroine|narrator|dm|npc|player)|characters|(?:final|last|raid|level) boss|npcs?|respawn\w*"
    r"|minecraft|fortnite|valorant|gta|skyrim|elden ring|dark souls|call of duty|cod|sims|zelda|dnd|xbox|playstation"
    r"|league of legends|overwatch|roblox|among us|chess|mario kart|speedrun|werewolf|goblins?|orcs?|vampires?|dragon"
    r"|plot|lyrics|screenplay|episode|season \d+|chapter|murder mystery|thriller|true crime|shakespeare|macbeth|hamlet"
    r"|othello|romeo|juliet|opponent|(?:enemy|enemies) (?:team|base)|paintball|laser tag|nerf) "
)


_FOR_REAL = re.compile(
    r" (?:tonight|tomorrow|right now|outside|actually|for real|in real life|my (?:wife|husband|kids?|ex)) "
)


def fiction(match: Match) -> bool:
    """A story or a game is named beside the match, and no hour."""
    around = match.around
    return bool(_STORY.search(around)) and not _FOR_REAL.search(around)


_GEAR = re.compile(
    r" (?:bungee|parachut\w+|skydiv\w+|paraglid\w+|base jump\w*|diving|rope swing|trampoline|pool|swim\w*|snorkel\w*"
    r"|surf\w*|fishing|barefoot|shoes|ziplin\w+|abseil\w*|rappel\w*|climbing|harness|parkour|obstacle|boxing|sparring"
    r"|judo|skat\w+|skiing|soccer|basketball|tennis|marathon|workout|daycare) "
)
_ACCIDENT = re.compile(
    r" (?:shav\w+|cooking|chopping|slicing (?:onions?|bread|vegetables)|paper|by accident|accidentally|gym|deadlift\w*"
    r"|squat\w*|jogging|exercis\w+|stretching|yoga|football|lifting|weights?|bike|cycling|hik\w+|kitchen|oven|stove"
    r"|garden\w*) "
)


def sport(match: Match) -> bool:
    """Sport, cooking, accidents: people also jump and get hurt without meaning harm."""
    around = match.around
    return bool(_GEAR.search(around)) or (bool(_ACCIDENT.search(around)) and not _meant_now(match))


_TRIFLE = re.compile(
    r" (?:meetings?|emails?|spreadsheets?|homework|slides?|commercials?|ads?|song|zoom|webinars?|lectures?"
    r"|powerpoints?|font|autocorrect|updates?|playlist|spoil\w*|mondays?|laundry|printer|excel|jira|css|dishes"
    r"|leftovers|fries|lunch|snacks?|sandwich|charger|remote|wifi|toilet|hoodie|parking|cakes?|cookies|pizza|socks"
    r"|prank\w*|netflix|haircut|outfit|essay|chores|ikea|fridge|shower|thermostat|alarm|snor\w+|chew\w*|humming|puns?"
    r"|jokes?|surprise|traffic|standup|merge|password|icebreakers?|captcha|tiktok|makeup|shoes|jacket|sweater|dress) "
)
_JESTING = re.compile(
    r" (?:lol|hahah\w*|one more|another|makes? me want|swear|if (?:i (?:have|hear|see|get|read)|he|she|they|you|my"
    r"|this|one|anyone|someone)) "
)
_EARNEST = re.compile(
    r" (?:gun|knife|pills?|rope|tonight|tomorrow|asleep|sleeps?|poison|note|plan|goodbye|hopeless|alone|depress\w+"
    r"|seriously|serious|anymore|not jok\w+|for real|hate myself) "
)


def trivial(match: Match) -> bool:
    """Hyperbole: a trifle for its cause, a jesting turn, and no means, time or despair beside it."""
    around = match.around
    return bool(_TRIFLE.search(around) and _JESTING.search(around)) and not _EARNEST.search(around)


_VERMIN = re.compile(
    r" (?:ants?|roach\w*|cockroach\w*|spiders?|wasps?|mosquito\w*|mice|mouse|rats?|weeds?|bugs?|bees|fly|flies|fleas?"
    r"|moths?|ticks?|lice|termites?|hornets?|slugs?|snails?|aphids|bacteria|germs|virus(?:es)?|mold|mould|plants?|fish"
    r"|deer|ducks?|hunting|chickens?|turkey|lobsters?|crabs?|pigs?|cells?|tumou?r|process(?:es)?|threads?|jobs?"
    r"|containers?|pods?|servers?|daemon|linux|pid|docker|kubernetes|sessions?|terminal|cron|ports?|tabs?|python|bash"
    r"|subprocess\w*|gdb|orphan\w*|child process\w*|app|apps|engine|lights?|zombies?|monsters?|mobs?|goblins?|orcs?"
    r"|enemies|aliens|dogs?|cats?) "
)


_THING = re.compile(r" (?:them|it|these|those|all of them|you|others|one)$")


def vermin(match: Match) -> bool:
    """What is to be killed are ants, weeds or processes: named as the object, or meant by "them"."""
    if _VERMIN.search(match.said[match.said.rindex(" ") :] + " ".join(match.right.split(" ", 4)[:4]) + " "):
        return True
    return bool(_THING.search(match.said) and _VERMIN.search(match.before + match.around))


_STUDY = re.compile(
    r" (?:training|clinical|study|studies|research\w*|statistics|rates?|articles?|news|documentary|histor\w+|king"
    r"|emperor|celebrit\w+|prevention|awareness|policy|policies|protocol|guidelines?|textbook|ward|debrief|case study"
    r"|hypothetical\w*|screening|assessment|thesis|journalis\w+|camera|portraits?|vaccin\w+|dentist|surgeon) "
)
_CLOSE_BY = re.compile(
    r" (?:tonight|right now|just|(?:all|of|on) my|my (?:\S+ )?(?:friend|brother|sister|mom|mum|dad|mother|father|son"
    r"|daughter|husband|wife|boyfriend|girlfriend|partner|roommate|ex)) "
)


_SPEAKER = re.compile(r" i (?:\S+ ){0,2}$")


def study(match: Match) -> bool:
    """Study, news or clinic: talk about the subject, with neither the speaker nor anybody close in it."""
    if match.said.startswith(" i ") or _SPEAKER.search(match.left):
        return False
    around = match.around
    return bool(_STUDY.search(around)) and not _CLOSE_BY.search(around)


_ELSEWHERE = re.compile(
    r" (?:jobs?|work|city|town|office|company|country|school|college|university|house|apartment|party|meeting|team"
    r"|village|state|class|gym|hospital) "
)


def place(match: Match) -> bool:
    """It is a place or a job that somebody does not want to be at."""
    return bool(_ELSEWHERE.search(match.before + match.around))
