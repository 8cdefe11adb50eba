"""Many inputs, one after the other: what was run, how fast, and what failed."""

import gc
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from callout.serve.options import ServeOptions
from tests.fuzz.conversation import ENDING, RECORDINGS, Conversation, in_folder
from tests.fuzz.mutate import PieceSpoiler, Spoiler
from tests.fuzz.services import Services, snapshot
from tests.fuzz.targets import (
    ConnectionTarget,
    HeadTarget,
    HpackTarget,
    MessagesTarget,
    Target,
)
from tests.fuzz.transport_target import TransportTarget

SLOW = 0.5
"""Seconds of processor time that no input may take: a thousand times what one takes, and a
hundred times the largest read at its usual rate."""
AGAIN = 3
"""Times that a slow input is run before it counts: the machine may have been elsewhere."""

CUT = 2000
"""Bytes of each recording within which it is cut everywhere: the first requests and what is
before them, after which a recording repeats itself."""
SHARES = {"connection": 6, "transport": 4, "hpack": 4, "messages": 3, "head": 3}
"""Inputs of each target of every twenty."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that something did not hold for."""

    given: Conversation
    what: str

    def save(self, folder: Path) -> Path:
        file = folder / f"{self.given.target}-{self.given.seed}{ENDING}"
        file.write_bytes(self.given.encode())
        return file


@dataclass
class Report:
    """What a campaign did."""

    inputs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SHARES, 0))
    """By target, counted when each has been run."""
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SHARES, 0.0))
    """Seconds of processor time by target."""
    slowest: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SHARES, 0.0))
    findings: list[Finding] = field(default_factory=list)
    dropped: int = 0
    """Findings that were only counted."""

    @property
    def total(self) -> int:
        return sum(self.inputs.values())

    @property
    def failed(self) -> int:
        return len(self.findings) + self.dropped

    def table(self) -> str:
        lines = [
            "| target | inputs | a second | slowest |",
            "|---|---:|---:|---:|",
        ]
        for name, count in self.inputs.items():
            rate = count / self.cpu[name] if self.cpu[name] else 0.0
            slowest = f"{1000 * self.slowest[name]:.1f} ms"
            lines.append(f"| {name} | {count:,} | {rate:,.0f} | {slowest} |")
        return "\n".join(lines)


class Campaign:
    """All targets over all recordings."""

    def __init__(self) -> None:
        recordings = in_folder(RECORDINGS)
        world = snapshot()
        whole, pieces = Spoiler(recordings), PieceSpoiler(recordings)
        self.recordings = recordings
        self.targets: dict[str, Target] = {
            "connection": ConnectionTarget(),
            "transport": TransportTarget(world, recordings),
            "hpack": HpackTarget(),
            "messages": MessagesTarget(),
            "head": HeadTarget(Services(world).methods(ServeOptions())),
        }
        self._make: dict[str, Callable[[str, int], Conversation]] = {
            "connection": whole.spoil,
            "transport": whole.spoil,
            "hpack": pieces.blocks,
            "messages": pieces.body,
            "head": pieces.fields,
        }
        self.report = Report()

    def inputs(self, target: str, seeds: Iterable[int]) -> Iterable[Conversation]:
        """The inputs of these seeds."""
        make = self._make[target]
        return (make(target, seed) for seed in seeds)

    def cuts(self) -> Iterable[Conversation]:
        """Every recording in two reads, cut at each of its bytes up to `CUT`."""
        for each in self.recordings.values():
            data = each.data[:CUT]
            for at in range(1, len(data)):
                yield Conversation((data[:at], data[at:]), "connection", at)

    async def run(self, givens: Iterable[Conversation]) -> None:
        """Run inputs; what fails is in the report."""
        for given in givens:
            await self.take(given)

    async def take(self, given: Conversation) -> Finding | None:
        """Run one input."""
        target, name = self.targets[given.target], given.target
        report = self.report
        seconds = float("inf")
        found: Finding | None = None
        for _ in range(AGAIN):
            started = time.thread_time()
            try:
                await target.run(given)
            except Exception as error:
                where = "".join(traceback.format_exception(error)[-4:])
                found = Finding(given, f"{type(error).__name__}: {error}\n{where}")
            seconds = min(seconds, time.thread_time() - started)
            if seconds < SLOW or found is not None:
                break
        else:
            found = Finding(given, f"took {seconds:.2f} s of processor time")
        report.inputs[name] += 1
        report.cpu[name] += seconds
        report.slowest[name] = max(report.slowest[name], seconds)
        if found is not None:
            report.findings.append(found)
        return found


def live_objects() -> int:
    """Objects that Python's collector knows, without garbage."""
    gc.collect()
    return len(gc.get_objects())
