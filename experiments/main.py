"""``raise-agent VERB [setting=value ...]``: finds the verb. Works, as far as to say so, without the research extra."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from raise_agent.errors import MissingExtraError, did_you_mean

VERBS = {
    "run": "plan, distil and evaluate in one go",
    "plan": "search which attributes are worth asking for, scenario by scenario",
    "distill": "make one policy of everything evaluated so far",
    "evaluate": "compare methods on scenarios that nobody planned over",
    "benchmark": "compare planners on families of problems, at equal evaluations",
    "penguin": "write scenarios as JSON Lines",
    "doctor": "is the server up, which features has it, how fast is it, what to set",
    "prompts": "show what the models are sent, on a made-up case",
}
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
        from .launch import launch
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("raise_agent"):
            raise
        print(f"raise-agent: {MissingExtraError(f'raise-agent {verb}', 'research')}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        return _INTERRUPTED
    return launch(verb, overrides)


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
