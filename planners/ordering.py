"""In which order to ask a chosen subset: every prefix as good as can be (paper, section 5.2).

What is asked first does not change what is known in the end, but a conversation may stop early.
"""

from __future__ import annotations

from collections.abc import Callable

from raise_agent.subsets import members

EXACT_SIZE = 10
"""Up to this many attributes all orders are compared, through 2^size prefixes."""


def best_order(subset: int, worth: Callable[[int], float]) -> tuple[int, ...]:
    """The order of asking whose prefixes have the highest mean worth; at a tie, the lowest index first.

    The empty prefix and the whole subset are common to all orders and do not count. Above ``EXACT_SIZE``
    attributes, the order in which each next prefix is best.

    >>> best_order(0b111, {0b001: 1.0, 0b010: 3.0, 0b100: 2.0, 0b011: 4.0, 0b101: 9.0, 0b110: 5.0}.__getitem__)
    (2, 0, 1)
    """
    if subset.bit_count() > EXACT_SIZE:
        return _follow(subset, worth)
    # Sub-masks in falling order: all that contain a prefix come before it.
    ahead = {subset: 0.0}
    prefix = subset
    while prefix:
        prefix = (prefix - 1) & subset
        rest = max(ahead[prefix | 1 << index] for index in members(subset & ~prefix))
        ahead[prefix] = worth(prefix) + rest if prefix else rest
    return _follow(subset, ahead.__getitem__)


def _follow(subset: int, good: Callable[[int], float]) -> tuple[int, ...]:
    """The order in which each next prefix is the best one."""
    order: list[int] = []
    prefix = 0
    while prefix != subset:
        order.append(max(members(subset & ~prefix), key=lambda index: good(prefix | 1 << index)))
        prefix |= 1 << order[-1]
    return tuple(order)
