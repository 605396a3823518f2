"""``raise-agent VERB [setting=value ...]``: finds the verb. Works, as far as to say so, without the research extra."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from raise_agent.errors import ConfigError, MissingExtraError, did_you_mean

VERBS = {
    "run": "plan, distil and evaluate in one go",
    "plan": "search which attributes are worth asking for, scenario by scenario",
    "distill": "make one policy of everything evaluated so far",
    "evaluate": "compare methods on scenarios that nobody planned over",
    "reproduce": "one of the paper's experiments, beside what it published",
    "penguin": "score a responder with the query alone and with the whole profile; several models in a sweep",
    "benchmark": "compare planners on families of problems, at equal evaluations",
    "report": "one run as one HTML file to look at: raise-agent report FOLDER",
    "judge": "how far a judge agrees with people, other judges and itself; sheets for people to rate",
    "agent": "talk to it on the terminal; --profile plays a user, --transcript saves the conversation",
    "scenarios": "write scenarios as JSON Lines",
    "build": "make new scenarios with a model, checked, with a data card and a sheet for reviewers",
    "doctor": "is the server up, which features has it, how fast is it, what to set",
    "prompts": "show what the models are sent, on a made-up case",
}
FLAGS = {"agent": ("profile", "transcript", "resume"), "report": ("run",)}
"""Settings that may also be written as flags, ``--profile VALUE`` or ``--profile=VALUE``."""
PLACES = {"report": "run"}
"""The flag whose value the first word is, where it is no setting."""
_BAD_INPUT, _INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status is 0, 2 for a mistake in the input, 3 at a limit, 130 when interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0
    verb, overrides = given[0], given[1:]
    if verb not in VERBS:
        print(f"raise-agent: unknown verb {verb!r}: {did_you_mean(verb, VERBS)}", file=sys.stderr)
        return _BAD_INPUT
    try:
        if verb in PLACES and overrides and is_place(overrides[0]):
            overrides = [f"--{PLACES[verb]}={overrides[0]}", *overrides[1:]]
        overrides = as_settings(overrides, FLAGS.get(verb, ()))
    except ConfigError as error:
        print(f"raise-agent: {error}", file=sys.stderr)
        return _BAD_INPUT
    try:
        from .launch import launch
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("raise_agent"):
            raise
        print(f"raise-agent: {MissingExtraError(f'raise-agent {verb}', 'research')}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        return _INTERRUPTED
    return launch(verb, overrides)


def is_place(word: str) -> bool:
    """Whether a word names a file or folder rather than a setting; those of a sweep's jobs hold ``=`` too.

    >>> is_place("runs/sweeps/a/0_budget=2"), is_place("profiles=false"), is_place("--help")
    (True, False, False)
    """
    key, equals, _ = word.partition("=")
    return not word.startswith("-") and (not equals or "/" in key or Path(word).is_dir())


def as_settings(arguments: Sequence[str], flags: Sequence[str]) -> list[str]:
    """The arguments with each flag turned into the setting of that name; a value is taken as it stands.

    >>> as_settings(["--profile", "my people.json", "seed=1"], ["profile"])
    ["profile='my people.json'", 'seed=1']

    Raises:
        ConfigError: a flag has no value.
    """
    settings, left = list[str](), iter(arguments)
    for argument in left:
        name, equals, value = argument.partition("=")
        if not name.startswith("--") or name[2:] not in flags:
            settings.append(argument)
            continue
        given = value if equals else next(left, "")
        if not given or (not equals and given.startswith("--")):
            raise ConfigError(f"{name} needs a value, such as {name} FILE")
        # OmegaConf would resolve ${...}, unless that and the backslashes before it are escaped.
        plain = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", given)
        # In Hydra's grammar a quote inside quotes, and the backslashes before it, are escaped.
        quoted = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), plain)
        settings.append(f"{name[2:]}='{quoted}'")
    return settings


def _usage() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:{width}}  {what}" for verb, what in VERBS.items())
    return (
        "raise-agent VERB [setting=value ...]\n\n"
        f"{verbs}\n\n"
        "raise-agent VERB --help shows the settings of a verb, -m sweeps over comma-separated values."
    )


if __name__ == "__main__":
    sys.exit(main())
