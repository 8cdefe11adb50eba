"""Counters in memory: of this process alone, or of all workers of the machine."""

import os
import time
from collections.abc import Callable
from typing import NamedTuple

from callout.config.settings import Settings
from callout.observe.metrics import Metrics
from ratelimit.stores.contract import Store
from ratelimit.stores.memory import COUNTER_BYTES, MemoryStore
from ratelimit.stores.memory_states import MemoryStates
from ratelimit.stores.shared_memory import memory
from ratelimit.stores.shared_memory.counters import SharedCounters
from ratelimit.stores.shared_memory.memory import SharedMemory
from ratelimit.stores.shared_memory.states import SharedStates
from ratelimit.stores.states import StateStore


class InMemory(NamedTuple):
    """The counters of a worker."""

    windows: Store
    states: StateStore


def in_memory(size: int, shared: int | None, metrics: Metrics) -> InMemory:
    """Makes them, and shows how many there are.

    Args:
        size: bytes, of which each of the two may take half.
        shared: the descriptor of what `memory_for` made; None: there is one worker, whose counters
            are four times as fast in memory of its own.
        metrics: of the worker.
    """
    living: Callable[[], int]
    if shared is None:
        windows = MemoryStore(size // 2 // COUNTER_BYTES)
        states = MemoryStates(size // 2, windows)
        made, forgotten = InMemory(windows, states), (windows.forgotten, states.forgotten)

        def living() -> int:
            return len(windows) + len(states)

    else:
        os.set_inheritable(shared, False)
        mapped = SharedMemory(shared)
        counters, shared_states = SharedCounters(mapped), SharedStates(mapped)
        made = InMemory(counters, shared_states)
        forgotten = (counters.forgotten, shared_states.forgotten)

        def living() -> int:
            now = time.time()
            return counters.living(now) + shared_states.living(now)

    metrics.follow_gauge(
        "gatewright_limit_counters",
        "Counters in memory; estimated if several workers share them.",
        living,
        across="max",
    )
    metrics.follow_counter(
        "gatewright_limit_counters_forgotten",
        "Counters in memory that went before their time, for want of room.",
        lambda: sum(each.count for each in forgotten),
    )
    return made


def memory_for(settings: Settings, workers: int, inherited: int | None) -> int | None:
    """The descriptor of memory that so many workers count in; None: they need none.

    Args:
        settings: of the process.
        workers: how many.
        inherited: of the process that this one takes over from: its counters go on, if they have
            the same size. Otherwise it is closed.

    Raises:
        OSError: The system has no memory to give.
    """
    if workers > 1 and settings.counts_in_memory:
        size = settings.limits.memory
        if inherited is not None and memory.usable(inherited, size):
            return inherited
        made: int | None = memory.create(size)
    else:
        made = None
    if inherited is not None:
        os.close(inherited)
    return made
