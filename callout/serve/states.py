"""What a stream of a connection is at: the states of its call, and how many are in each."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from callout.grpc.head import Head
from callout.serve.streaming import Stream
from callout.serve.unary import Receiving, Waiting


class Answered:
    """A call that was answered before its request ended: what still comes is thrown away."""

    __slots__ = ("arrived",)

    def __init__(self, arrived: float) -> None:
        self.arrived = arrived


Opening: TypeAlias = tuple[Head, float]
"""A unary call of which only the headers came, and when."""
State: TypeAlias = Opening | Receiving | Waiting | Stream | Answered
_NAMES: Mapping[type, str] = {
    Receiving: "receiving",
    Waiting: "waiting",
    Stream: "streaming",
    Answered: "answered",
}


def census(states: Iterable[State], now: float) -> tuple[dict[str, int], float]:
    """How many are in each state, and when the oldest came; `now`: there are none."""
    counts: dict[str, int] = {}
    oldest = now
    for state in states:
        if isinstance(state, tuple):
            name, arrived = "opening", state[1]
        else:
            name, arrived = _NAMES[type(state)], state.arrived
        counts[name] = counts.get(name, 0) + 1
        oldest = min(oldest, arrived)
    return counts, oldest
