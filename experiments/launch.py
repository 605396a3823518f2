"""Starts a verb under Hydra, and says in plain words what is wrong with a setting."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from threadpoolctl import threadpool_limits

from raise_agent.errors import ConfigError, LimitReachedError, RaiseError, did_you_mean

from .config import register_schemas

_DONE, _BAD_INPUT, _LIMIT_REACHED, _INTERRUPTED = 0, 2, 3, 130
_SLUG = 80


def slug(text: str) -> str:
    """A folder name that tells the overrides of a sweep's job; long ones are cut and keep a digest.

    >>> slug("planner=mcts,data.path=a/b")
    'planner=mcts,data.path=a_b'
    """
    plain = re.sub(r"[^A-Za-z0-9_.,=+-]+", "_", text)
    if len(plain) <= _SLUG:
        return plain
    return f"{plain[:_SLUG]}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


def _interrupt(number: int, frame: FrameType | None) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in a script's background job.
        raise KeyboardInterrupt
    # As Ctrl-C: an event loop then ends its tasks and connections in order.
    signal.raise_signal(signal.SIGINT)


_SECRET = r"(?i:(?<![a-z])(?:api)?(?:key|token|secret|pass|password|credentials|authorization))"
_KEYS = {
    r"://[^/\s]*@": "an address holds a name or a key before its '@'; give the key in the environment",
    r"://[^\s,\]]*\?": "an address holds something after a '?', as a key may be; leave that out",
    r"api_key_env=(?![A-Z_][A-Z0-9_]*$|null$)": "it takes the name of an environment variable, in capitals, not a key",
    rf"\.(environment|arguments|extra)\b.*{_SECRET}['\"]?\s*[:=]": (
        "no key is given there; a server that is started inherits the environment, and others have llm.api_key_env"
    ),
}
"""What a setting looks like that holds a key -> what is wrong with it."""


def refuse_keys(overrides: Sequence[str]) -> None:
    """Keep keys out of the files that Hydra and trackers write.

    Raises:
        ConfigError: a setting seems to hold one; the message does not repeat it.
    """
    for override in overrides:
        for pattern, wrong in _KEYS.items():
            if re.search(pattern, override):
                raise ConfigError(f"{override.partition('=')[0]}: {wrong}")


def refuse_sweep(verb: str, overrides: Sequence[str]) -> None:
    """Keep Hydra from a sweep, and from writing its folder, where there is one person to talk with.

    Raises:
        ConfigError: the verb is ``agent``, and a sweep is asked for.
    """
    asked = (one.startswith(("-m", "--m")) or one.lower() == "hydra.mode=multirun" for one in overrides)
    if verb == "agent" and any(asked):
        raise ConfigError("agent: it talks with one person, so there is no sweep; leave out -m (--multirun)")


def launch(verb: str, overrides: Sequence[str]) -> int:
    """Run a verb with these settings; the exit status."""
    added = next((override for override in overrides if override.startswith("+")), None)
    if added is not None:
        print(
            f"raise-agent: {added!r}: every setting exists already, so none is added with '+'; leave it out",
            file=sys.stderr,
        )
        return _BAD_INPUT
    # Hydra would otherwise exit by itself; here errors are told in one place, and have their exit status.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    OmegaConf.register_new_resolver("raise_slug", slug, replace=True)
    register_schemas()
    sys.argv = [f"raise-agent {verb}", *overrides]
    # A job that is told to end, by a scheduler say, finishes its tracker as one that is interrupted.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        refuse_keys(overrides)
        refuse_sweep(verb, overrides)
        module = importlib.import_module(f"{__package__}.{verb}")
        # With more threads, sums run in another order: the same seed would give other bytes on another machine.
        with threadpool_limits(1, user_api="blas"):
            module.main()
    except LimitReachedError as stop:
        print(f"raise-agent: {stop}", file=sys.stderr)
        return _LIMIT_REACHED
    except RaiseError as error:
        print(f"raise-agent: {error}", file=sys.stderr)
    except (HydraException, OmegaConfBaseException) as error:
        print(f"raise-agent: {explain(error, verb)}", file=sys.stderr)
    except ValueError as error:
        # Hydra has no error of its own for a group that is set to null.
        if not str(error).startswith("Config group override"):
            raise
        print("raise-agent: a group is set to null; name one of its options, as in planner=mcts", file=sys.stderr)
    except BrokenPipeError:
        # Nobody reads on; what Python would flush at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"raise-agent: {where}{error.strerror or error}; check the path, permissions and space", file=sys.stderr)
    except KeyboardInterrupt as stop:
        # A terminal that is gone takes no message.
        with suppress(OSError):
            print(f"\nraise-agent: stopped; {str(stop) or 'nothing was under way'}", file=sys.stderr)
        return _INTERRUPTED
    else:
        return _DONE
    finally:
        signal.signal(signal.SIGTERM, before)
    return _BAD_INPUT


def explain(error: BaseException, verb: str) -> str:
    """What is wrong with a setting, and what would be right."""
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    text = str(error).strip()
    detail = str(root).strip().splitlines()[0] if str(root).strip() else ""
    option = re.search(r"Could not find '([\w/]+)/([^'/]*)'", text)
    if option:
        group, wrong = option.groups()
        return f"{group}={wrong}: no such option. {did_you_mean(wrong, _options(group))}"
    key = getattr(root, "full_key", None) or _key_in(text)
    said = text.splitlines()[0].split(" To append to your config")[0] if text else type(error).__name__
    parts = [said] if not detail or detail in said else [said, detail]
    if key:
        parts.append(_valid_settings(str(key), verb))
    return "\n  ".join(part for part in parts if part)


def _key_in(text: str) -> str | None:
    found = re.search(r"override '\+?([^'=]+)", text) or re.search(r"full_key: (\S+)", text)
    return found.group(1) if found else None


def _options(group: str) -> list[str]:
    """The options of a group, in files and registered."""
    GlobalHydra.instance().clear()
    with initialize_config_module("raise_agent.conf", version_base="1.3"):
        found = GlobalHydra.instance().config_loader().get_group_options(group)
    return [option for option in found if not option.endswith("_schema")]


def _valid_settings(key: str, verb: str) -> str:
    """The settings beside a wrong one, if there are any."""
    GlobalHydra.instance().clear()
    with initialize_config_module("raise_agent.conf", version_base="1.3"):
        node: Any = compose(verb)
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(node, DictConfig) or parent not in node:
            return ""
        node = node[parent] if not OmegaConf.is_missing(node, parent) else None
    if not isinstance(node, DictConfig):
        return ""
    valid = [str(name) for name in node]
    if last in valid:
        return ""
    group = ".".join(parents)
    return f"no setting {last!r}{f' in {group}' if group else ''}: {did_you_mean(last, valid)}"
