"""Several processes that do something at once, as workers do."""

import contextlib
import os
import pickle
import signal
from collections.abc import Callable, Sequence
from typing import Any


def fork(work: Callable[[], Any]) -> tuple[int, int]:
    """A child that does it; its process id, and where its result can be read."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    try:
        os.close(read)
        with os.fdopen(write, "wb") as pipe:
            pickle.dump(work(), pipe)
    finally:
        os._exit(0)


def result(child: tuple[int, int]) -> Any:
    """Of a child that ends; None if it was killed."""
    pid, read = child
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    return pickle.loads(data) if data else None


def together(*works: Callable[[], Any]) -> Sequence[Any]:
    """The results of all, each in a process of its own; none begins before all are there."""
    gate, opening = os.pipe()

    def behind(work: Callable[[], Any]) -> Callable[[], Any]:
        def begin() -> Any:
            os.close(opening)
            os.read(gate, 1)
            return work()

        return begin

    children = [fork(behind(work)) for work in works]
    os.close(opening)
    os.close(gate)
    return [result(child) for child in children]


def kill(child: tuple[int, int]) -> None:
    """SIGKILL; returns when it is gone."""
    pid, read = child
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(read)
