"""Reloads under load: `make reload`, or `python -m tests.reliability.reload [--quick]`.

Prints the tables of docs/reliability.md, and ends with 1 if anything was not as it must be.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.end_to_end.conftest import until
from tests.load.machine import description
from tests.reliability.reloading import bundles
from tests.reliability.reloading.judge import Judged, Turn, judge
from tests.reliability.reloading.open_loop import OF_A, OF_B, OURSELVES, Call
from tests.reliability.reloading.service import ConfigMap, asking, digest, loaded, rss, serving

WARM_UP: Final = 0.2
"""Part of the reloads after which memory must not grow any more."""
VERSIONS: Final = {"a": OF_A, "b": OF_B}


@dataclass(frozen=True)
class Reloads:
    """What became of many reloads of a small bundle."""

    reloads: int
    sent: int
    judged: Judged
    seconds: float
    delays: Sequence[float]
    """Seconds of each answer, but for those that waited while the load itself was paused."""
    paused: int
    """Calls that did."""
    memory: dict[str, list[float]]
    """Megabytes after each reload, by process."""

    @property
    def good(self) -> bool:
        """Whether all answers were as they must be."""
        wrong = self.judged
        counts = (wrong.failed, wrong.mixed, wrong.stale, wrong.back)
        return not any(counts) and wrong.answered == self.sent

    def growth(self, process: str) -> float:
        """Kilobytes a reload: the slope between the medians of the two halves after warm-up."""
        series = self.memory[process][int(self.reloads * WARM_UP) :]
        half = len(series) // 2
        rise = statistics.median(series[half:]) - statistics.median(series[:half])
        return rise * 1000 / half


def reloads(folder: Path, count: int, rate: float, *, admission: bool = True) -> Reloads:
    """Turns the bundle so often from one version to the other, under load."""
    config_map = ConfigMap(folder)
    config_map.version("a", bundles.marked("bundle-a"))
    config_map.version("b", bundles.marked("bundle-b"))
    config_map.turn("a")
    turns: list[Turn] = []
    memory: dict[str, list[float]] = {"supervising process": [], "worker": []}
    with serving(folder, config_map.path, admission=admission) as serve:
        now = digest(serve)
        (worker,) = serve.workers()
        started = time.monotonic()
        with asking(folder, serve, rate) as load:
            for number in range(count):
                name = "ba"[number % 2]
                began = time.monotonic()
                config_map.turn(name)
                now = loaded(serve, now)
                turns.append(Turn(VERSIONS[name], began, time.monotonic()))
                memory["supervising process"].append(rss(serve.process.pid))
                memory["worker"].append(rss(worker))
        seconds = time.monotonic() - started
    delays = undisturbed(load.calls)
    asked = [call for call in load.calls if call.kind != OURSELVES]
    return Reloads(
        count,
        load.sent,
        judge(load.calls, turns),
        seconds,
        [call.answered - call.sent for call in delays],
        len(asked) - len(delays),
        memory,
    )


@dataclass(frozen=True)
class Phase:
    """Part of a large load."""

    name: str
    delays: Sequence[float]


@dataclass(frozen=True)
class Large:
    """What became of a reload of many policies."""

    checked: float
    """Seconds until the supervising process had accepted it."""
    decides: float
    """Seconds until the worker decided by it."""
    phases: Sequence[Phase]
    admin: float
    """Seconds of the slowest answer of the admin port meanwhile."""
    judged: Judged
    memory: dict[str, float]


def large(
    folder: Path, policies: int, rate: float, settle: float, *, admission: bool = True
) -> Large:
    """Loads a bundle of many policies while another one, as large, decides."""
    config_map = ConfigMap(folder)
    others = bundles.many(policies)
    config_map.version("a", bundles.marked("bundle-a") | others)
    config_map.version("b", bundles.marked("bundle-b") | others)
    config_map.turn("a")
    with serving(folder, config_map.path, admission=admission) as serve:
        before = digest(serve)
        (worker,) = serve.workers()
        slowest = 0.0

        def accepted() -> bool:
            nonlocal slowest
            asked = time.monotonic()
            status, _ = serve.admin("/readyz")
            slowest = max(slowest, time.monotonic() - asked)
            assert status == 200
            return len(serve.said("bundle loaded")) == 2

        with asking(folder, serve, rate) as load:
            time.sleep(settle)
            began = time.monotonic()
            config_map.turn("b")
            until(accepted, 120)
            checked = time.monotonic()
            loaded(serve, before)
            decides = time.monotonic()
            time.sleep(settle)
            ended = time.monotonic()
        memory = {"supervising process": rss(serve.process.pid), "worker": rss(worker)}
    calls = undisturbed(load.calls)

    def between(name: str, start: float, end: float) -> Phase:
        return Phase(name, [c.answered - c.sent for c in calls if start <= c.sent < end])

    phases = (
        between("before", 0.0, began),
        between("the supervising process checks", began, checked),
        between("the worker builds", checked, decides),
        between("swap, and the former is taken apart", decides - 0.1, ended),
    )
    turn = Turn(OF_B, began, decides)
    return Large(
        checked - began, decides - began, phases, slowest, judge(load.calls, [turn]), memory
    )


def undisturbed(calls: Sequence[Call]) -> list[Call]:
    """Calls during which the load itself was not paused: the machine is not ours alone."""
    pauses = sorted((c.sent, c.answered) for c in calls if c.kind == OURSELVES)
    kept = []
    at = 0
    for call in sorted((c for c in calls if c.kind != OURSELVES), key=lambda each: each.sent):
        while at < len(pauses) and pauses[at][1] < call.sent:
            at += 1
        if at == len(pauses) or pauses[at][0] > call.answered:
            kept.append(call)
    return kept


def at(delays: Sequence[float], part: float) -> float:
    """A quantile, in milliseconds."""
    ordered = sorted(delays)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else 0.0


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def tell_reloads(found: Reloads, rate: float) -> str:
    """The table of many reloads."""
    wrong = found.judged
    delays = ", ".join(f"{at(found.delays, part):.1f}" for part in (0.5, 0.99, 0.999))
    rows: list[tuple[str, object]] = [
        ("reloads", found.reloads),
        ("seconds", f"{found.seconds:.0f}"),
        (f"calls, at {rate:.0f}/s", found.sent),
        ("failed or unanswered", wrong.failed + found.sent - wrong.answered),
        ("of both bundles", wrong.mixed),
        ("of a bundle that did not decide then", wrong.stale + wrong.back),
        ("median, p99, p99.9 in ms", delays),
    ]
    for name, series in found.memory.items():
        warm = series[int(found.reloads * WARM_UP)]
        text = f"{warm:.0f} MB, then {found.growth(name):+.2f} KB a reload"
        rows.append((f"memory of the {name} after warm-up", text))
    return table(("reloads of a small bundle", ""), rows)


def tell_large(found: Large, policies: int) -> str:
    """The tables of a large bundle."""
    parts = [
        ("accepted after", f"{found.checked:.1f} s"),
        ("decided by after", f"{found.decides:.1f} s"),
        ("slowest answer of the admin port meanwhile", f"{found.admin * 1000:.0f} ms"),
        *((f"memory of the {name}", f"{size:.0f} MB") for name, size in found.memory.items()),
    ]
    rows = [
        (
            each.name,
            len(each.delays),
            *(f"{at(each.delays, part):.1f}" for part in (0.5, 0.99, 0.999, 1.0)),
        )
        for each in found.phases
    ]
    heads = ("while", "calls", "median ms", "p99", "p99.9", "longest")
    return table((f"a bundle of {policies} policies", ""), parts) + "\n\n" + table(heads, rows)


def main(arguments: Sequence[str], tell: Callable[[str], None] = print) -> int:
    """Measures, prints, and says by its status whether all answers were right."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.reload")
    parser.add_argument("--quick", action="store_true", help="a minute instead of ten")
    parser.add_argument("--reloads", type=int, help="of the small bundle; 1000, quick 60")
    parser.add_argument("--rate", type=float, default=5_000.0, help="calls a second")
    parser.add_argument("--policies", type=int, help="of the large bundle; 10000, quick 1000")
    options = parser.parse_args(arguments)
    count = options.reloads or (60 if options.quick else 1_000)
    policies = options.policies or (1_000 if options.quick else 10_000)
    tell(description() + "\n")
    with tempfile.TemporaryDirectory() as folder:
        many = reloads(Path(folder), count, options.rate)
    tell(tell_reloads(many, options.rate) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        one = large(Path(folder), policies, options.rate / 5, 2.0 if options.quick else 10.0)
    tell(tell_large(one, policies))
    right = many.good and not any((one.judged.failed, one.judged.mixed, one.judged.stale))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
