"""Counters that several processes share: exact, whoever is killed, and bounded."""

import functools
import itertools
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ratelimit.algorithms.contract import NEW, Algorithm, Verdict
from ratelimit.algorithms.decision import Use, decide_each
from ratelimit.algorithms.exact_log import ExactLog
from ratelimit.algorithms.named_window import NamedWindow
from ratelimit.algorithms.sliding_window import SlidingWindow
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.stores import shared_memory
from ratelimit.stores.contract import Hit
from ratelimit.stores.shared_memory.counters import LOCKED, SharedCounters
from ratelimit.stores.shared_memory.locks import PATIENCE
from ratelimit.stores.shared_memory.memory import LEAST_BYTES, SharedMemory, create, usable
from ratelimit.stores.shared_memory.states import SharedStates
from tests.ratelimit.stores import processes

NOW = 1_735_689_600.0
END = int(NOW) + 60
HOUR = 3_600_000
WORKERS = 3
CODE = str(Path(str(shared_memory.__file__)).parent)


@pytest.fixture
def memory() -> SharedMemory:
    return SharedMemory(create(LEAST_BYTES))


def add(store: SharedCounters, *hits: Hit, now: float = NOW) -> Any:
    return patiently(lambda: store.add(hits, now, None, lambda outcome: outcome))


def patiently(ask: Callable[[], Any]) -> Any:
    """Again while it is locked, which counts nothing.

    Where dozens of processes want two cores, one that holds a counter may be put aside for longer
    than anybody waits for it.
    """
    end = time.monotonic() + 60
    while (outcome := ask()) == LOCKED and time.monotonic() < end:
        time.sleep(0.01)
    return outcome


def hit(key: bytes = b"k", addend: int = 1, ends: int = END) -> Hit:
    return Hit(key, addend, ends)


def use(store: SharedStates, *uses: Use, now: float = NOW) -> Any:
    return patiently(lambda: store.use(uses, True, now, None, lambda outcome: outcome))


def given(now: float) -> float:
    """The clock of a store that goes by what it is told."""
    return now


def test_each_count_of_each_counter_is_told_to_one_request_of_all_processes(
    memory: SharedMemory,
) -> None:
    def work() -> list[tuple[bytes, int]]:
        store = SharedCounters(SharedMemory(memory.descriptor))
        seen: list[tuple[bytes, int]] = []
        for n in range(2000):
            keys = (b"all", b"%d" % (n % 5))
            seen += zip(keys, add(store, *map(hit, keys)), strict=True)
        return seen

    counts = defaultdict(list)
    for seen in processes.together(*[work] * WORKERS):
        for key, count in seen:
            counts[key].append(count)
    assert sorted(counts[b"all"]) == list(range(1, 2000 * WORKERS + 1))
    for n in range(5):
        assert sorted(counts[b"%d" % n]) == list(range(1, 400 * WORKERS + 1))


def test_what_ended_before_another_began_was_counted_before_it(memory: SharedMemory) -> None:
    def work() -> list[tuple[int, float, float]]:
        store, seen = SharedCounters(SharedMemory(memory.descriptor)), []
        for _ in range(3000):
            began = time.monotonic()
            (count,) = add(store, hit())
            seen.append((count, began, time.monotonic()))
        return seen

    latest = 0.0
    history = sorted(itertools.chain(*processes.together(*[work] * WORKERS)))
    assert [count for count, _, _ in history] == list(range(1, 3000 * WORKERS + 1))
    for _, began, ended in history:
        # Nobody that began after this one had ended was told a smaller count.
        assert ended >= latest
        latest = max(latest, began)


@pytest.mark.parametrize(
    "limit",
    [NamedWindow(100, HOUR), SlidingWindow(100, HOUR), ExactLog(100, HOUR)],
    ids=lambda limit: limit.kind,
)
def test_all_processes_together_admit_as_many_as_the_limit_and_no_more(
    memory: SharedMemory, limit: Algorithm
) -> None:
    narrow = TokenBucket(70, HOUR, 1)

    def work(*uses: Use) -> int:
        store, admitted = SharedStates(SharedMemory(memory.descriptor)), 0
        for _ in range(60):
            verdicts: Sequence[Verdict] = use(store, *uses)
            admitted += all(verdict.allowed for verdict in verdicts)
        return admitted

    one, another = Use(b"w", limit, 1), Use(b"n", narrow, 1)
    assert sum(processes.together(*[lambda: work(one, another)] * WORKERS)) == 70
    # What the narrow limit refused used up nothing of the wide one.
    assert sum(processes.together(*[lambda: work(one)] * WORKERS)) == 30


def test_in_windows_that_pass_meanwhile_no_process_lets_more_through(memory: SharedMemory) -> None:
    limit, began = ExactLog(5, 50), time.time()

    def work() -> int:
        store, admitted = SharedStates(SharedMemory(memory.descriptor)), 0
        while time.time() < began + 0.5:
            admitted += use(store, Use(b"k", limit, 1))[0].allowed
        return admitted

    admitted = sum(processes.together(*[work] * WORKERS))
    passed = int(1000 * (time.time() - began))
    assert 5 <= admitted <= 5 * (passed // 50 + 1)


def test_a_worker_that_is_killed_at_any_line_neither_blocks_nor_spoils(
    memory: SharedMemory,
) -> None:
    store = SharedCounters(memory)
    add(store, hit(b"old", 3))
    before, line = 3, 0
    while True:
        hits = hit(b"old"), hit(b"new%d" % line)
        if not _killed_at(line, functools.partial(add, store, *hits)):
            break
        old, new = add(store, *[each._replace(addend=0) for each in hits])
        assert old in (before, before + 1)
        assert new in (0, 1)
        before, line = old, line + 1
    assert line > 30
    assert add(store, hit(b"old"))[0] == before + 2  # and that which was not killed


@pytest.mark.parametrize("fresh", [True, False], ids=["new", "known"])
def test_a_state_is_the_old_or_the_new_one_wherever_its_writer_was_killed(
    memory: SharedMemory, fresh: bool
) -> None:
    store = SharedStates(memory, clock=given)
    log, slide, named = ExactLog(900, HOUR), SlidingWindow(900, HOUR), NamedWindow(900, HOUR)
    counted, line = 0, 0
    left = [900, 900, 900]
    while True:
        name, now = b"%d" % (line * fresh), NOW + line / 1000
        uses = [
            Use(b"log" + name, log, 1),
            Use(b"slide" + name, slide, 1),
            Use(b"named" + name, named, 1),
        ]
        if fresh:
            left = [900, 900, 900]
        elif not line:
            left = [verdict.remaining for verdict in use(store, *uses, now=now)]
        if not _killed_at(line, functools.partial(use, store, *uses, now=now)):
            break
        looks = [each._replace(hits=0) for each in uses]
        after = [verdict.remaining for verdict in use(store, *looks, now=now)]
        assert all(old - 1 <= new <= old for old, new in zip(left, after, strict=True))
        counted += sum(left) - sum(after)
        left, line = after, line + 1
    assert line > 80
    assert counted > 10  # some were written before their writer was killed


def _killed_at(line: int, work: Callable[[], object]) -> bool:
    """Whether a child that does it was killed when it came to so many lines of the stores."""

    def until() -> str:
        left = line

        def trace(frame: Any, event: str, _: object) -> Any:
            nonlocal left
            if not frame.f_code.co_filename.startswith(CODE):
                return None
            if event == "line":
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
            return trace

        sys.settrace(trace)
        work()
        sys.settrace(None)
        return "done"

    return processes.result(processes.fork(until)) is None


def test_counts_that_were_told_are_kept_while_workers_are_killed(memory: SharedMemory) -> None:
    store, told, parent = SharedCounters(memory), 0, os.getpid()

    def work() -> None:
        child = SharedCounters(SharedMemory(memory.descriptor))
        while os.getppid() == parent:
            add(child, hit(b"load"))

    for _ in range(12):
        children = [processes.fork(work) for _ in range(WORKERS - 1)]
        try:
            for _ in range(200):
                (count,) = add(store, hit(b"load"))
                assert count > told
                told = count
        finally:
            for child in children:
                processes.kill(child)
        (rest,) = add(store, hit(b"load", 0))
        assert rest >= told
        told = rest


def test_a_worker_that_is_stopped_while_it_holds_a_counter_costs_the_others_little(
    memory: SharedMemory,
) -> None:
    def work() -> None:
        child = SharedCounters(SharedMemory(memory.descriptor))
        child._elsewhere = lambda *_: os.kill(os.getpid(), signal.SIGSTOP)  # type: ignore[method-assign,assignment]
        add(child, hit())

    def ask(key: bytes = b"k") -> Any:
        return store.add([hit(key)], NOW, None, lambda outcome: outcome)

    store = SharedCounters(memory)
    child = processes.fork(work)
    try:
        os.waitpid(child[0], os.WUNTRACED)
        began = time.monotonic()
        assert ask() == LOCKED
        assert time.monotonic() - began >= PATIENCE
        began = time.monotonic()
        assert [ask() for _ in range(100)] == [LOCKED] * 100
        # Each would have waited for as long again; one a second does.
        assert time.monotonic() - began < 50 * PATIENCE
        assert ask(b"another") == [1]
    finally:
        processes.kill(child)
    assert ask() == [1]


def test_twice_as_many_values_as_there_is_room_for_take_no_more_of_it(
    memory: SharedMemory, caplog: pytest.LogCaptureFixture
) -> None:
    store = SharedCounters(memory)
    slots = store._table.slots
    for n in range(2 * slots):
        add(store, hit(b"%d" % n), now=NOW + n / 100_000)
        if not n % 1000:
            # Among so many others, hardly one of them in its set.
            assert add(store, hit(b"victim"), now=NOW + n / 100_000) == [n // 1000 + 1]
    assert 0.9 * slots < store.living(NOW) <= slots
    assert store.forgotten.count >= slots
    assert os.fstat(memory.descriptor).st_size == LEAST_BYTES
    assert len(caplog.records) < 100
    assert "no room for counters in memory" in caplog.records[0].getMessage()


def test_windows_that_have_ended_make_room_before_any_other(memory: SharedMemory) -> None:
    store = SharedCounters(memory)
    for n in range(2 * store._table.slots):
        minute, now = n // (store._table.slots // 2), NOW
        add(store, hit(b"%d" % n, ends=END + 60 * minute), now=now + 60 * minute)
    assert store.forgotten.count == 0


def test_a_million_counters_have_room_in_the_default_size() -> None:
    store = SharedCounters(SharedMemory(create(128 << 20)))
    for n in range(1_000_000):
        add(store, hit(b"%d" % n))
    assert store.forgotten.count < 100
    assert store.living(NOW) == pytest.approx(1_000_000, rel=0.2)
    for n in (0, 1, 999_999):
        assert add(store, hit(b"%d" % n)) == [2]


def test_a_log_grows_as_far_as_its_limit_and_shrinks_again(memory: SharedMemory) -> None:
    store, states = SharedStates(memory, clock=given), {b"k": NEW}
    moments = [*range(700), *range(1_000, 4_000, 500), *range(9_000, 9_100)]
    for moment in moments:
        now = NOW + moment / 1000
        one = Use(b"k", ExactLog(600 + moment % 7, 5_000), 1)
        decided = decide_each([one], states, int(now * 1000))
        states |= decided.changed
        assert use(store, one, now=now) == decided.verdicts
    assert store.living(NOW) <= 1 * 5


def test_only_memory_of_the_same_size_and_kind_goes_on() -> None:
    made = create(LEAST_BYTES)
    assert usable(made, LEAST_BYTES)
    assert not usable(made, 2 * LEAST_BYTES)
    os.pwrite(made, b"another-layout-9", 0)
    assert not usable(made, LEAST_BYTES)
    os.close(made)
