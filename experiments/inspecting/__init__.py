"""PENGUIN for those who evaluate with Inspect (``inspect_ai``): scenarios, prompts, judge and policies in its terms.

``inspect eval raise_agent/penguin --model PROVIDER/MODEL --model-role grader=PROVIDER/MODEL``; see docs/inspect.md.
Inspect finds what is registered here by the entry point ``inspect_ai``.
"""

from raise_agent.errors import MissingExtraError

try:
    import inspect_ai  # noqa: F401
except ModuleNotFoundError:
    raise MissingExtraError("the Inspect task", "inspect") from None

from .acquiring import answer
from .scoring import bound, by_domain, by_source, means, safety, share, unscored
from .simulation import provider
from .task import penguin

__all__ = ["answer", "bound", "by_domain", "by_source", "means", "penguin", "provider", "safety", "share", "unscored"]
