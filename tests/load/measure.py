"""Running a scenario: its lanes in turn, A B A B, so that a noisy minute hits all alike."""

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.load import h2load, varied
from tests.load.scenarios import Goal, Lane, Scenario, SideGoal
from tests.load.services import World

MICRO = 1e6
REPEATED = 2
"""Times that one round may be repeated."""
TELLING_SECONDS = 0.5
"""Of a round: processor time is told in hundredths of a second, so 2 percent then."""
RECOVERY_SECONDS = 1.0
"""Until a breaker has closed again."""


@dataclass(frozen=True)
class Sample:
    """One round of one lane."""

    rate: float
    """Requests a second."""
    cpu: float | None
    """Microseconds of processor time of the service for one request; None: not known."""
    beside: dict[str, float]
    """The same of each helper on the other core."""


@dataclass
class Series:
    """All rounds of one lane."""

    lane: str
    samples: list[Sample] = field(default_factory=list)

    def rate(self) -> float:
        """The median, requests a second."""
        return statistics.median(sample.rate for sample in self.samples)

    def best_rate(self) -> float:
        """The highest: the machine was quiet then."""
        return max(sample.rate for sample in self.samples)

    def cpu(self) -> float | None:
        """The median, microseconds a request."""
        known = [sample.cpu for sample in self.samples if sample.cpu is not None]
        return statistics.median(known) if known else None

    def least_cpu(self) -> float | None:
        """The least: noise only ever adds."""
        return min((s.cpu for s in self.samples if s.cpu is not None), default=None)

    def beside(self) -> dict[str, float]:
        """The medians of the helpers, microseconds a request."""
        names = self.samples[0].beside
        return {name: statistics.median(s.beside[name] for s in self.samples) for name in names}


@dataclass(frozen=True)
class Verdict:
    """Whether a goal was reached, in words."""

    words: str
    reached: bool | None
    """None: the run was too short to tell."""


@dataclass(frozen=True)
class Table:
    """One scenario's figures."""

    scenario: Scenario
    series: tuple[Series, ...]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Effort:
    """How long is measured."""

    rounds: int
    seconds: float
    """Of one round of one lane, about; its number of requests follows from the first, short run."""
    first: int
    """Requests of that first run, which also warms up."""


def scenario(world: World, tool: Path, what: Scenario, effort: Effort) -> Table:
    """Start, check, warm up, measure, stop. Raises DidNotStart, WrongAnswer or LoadFailed."""
    notes: list[str] = []
    with what.open(world, notes) as lanes:
        series = [Series(lane.name) for lane in lanes]
        counts = [_requests(world, tool, lane, effort) for lane in lanes]
        for _ in range(effort.rounds):
            for lane, count, into in zip(lanes, counts, series, strict=True):
                into.samples.append(_round(world, tool, lane, count, notes))
    by_name = {each.lane: each for each in series}
    long_enough = effort.seconds >= TELLING_SECONDS
    verdicts = tuple(verdict(goal, by_name, long_enough) for goal in what.goals)
    return Table(what, tuple(series), verdicts, tuple(notes))


def _requests(world: World, tool: Path, lane: Lane, effort: Effort) -> int:
    rate = _sample(world, tool, lane, effort.first).rate
    return max(effort.first, int(rate * effort.seconds))


def _round(world: World, tool: Path, lane: Lane, requests: int, notes: list[str]) -> Sample:
    """A sample without any wrong answer; a round with one is not counted, noted, and repeated.

    A machine that pauses a service for longer than its deadline for Redis makes it refuse.
    """
    for _ in range(REPEATED):
        try:
            return _sample(world, tool, lane, requests)
        except h2load.LoadFailed as error:
            notes.append(f"a round was repeated: {error}")
            time.sleep(RECOVERY_SECONDS)
    return _sample(world, tool, lane, requests)


def _sample(world: World, tool: Path, lane: Lane, requests: int) -> Sample:
    service = lane.process
    before = service.cpu_seconds() if service else 0.0
    helpers = [helper.cpu_seconds() for helper in lane.beside]
    outcome = _sent(world, tool, lane, requests)
    after = service.cpu_seconds() if service else 0.0
    _all_right(lane, outcome)
    return Sample(
        rate=requests / outcome.seconds,
        cpu=(after - before) / requests * MICRO if service else None,
        beside={
            helper.name: (helper.cpu_seconds() - start) / requests * MICRO
            for helper, start in zip(lane.beside, helpers, strict=True)
        },
    )


def _sent(world: World, tool: Path, lane: Lane, requests: int) -> h2load.Outcome:
    core = world.cores.load
    if lane.varied and lane.body is not None:
        address, _, path = str(lane.url).removeprefix("http://").partition("/")
        return varied.run(core, address, f"/{path}", requests, lane.shape, lane.body)
    return h2load.run(tool, core, lane.url, requests, lane.shape, lane.headers, lane.body)


def _all_right(lane: Lane, outcome: h2load.Outcome) -> None:
    """Every answer had the body of a right one: see guard.py."""
    expected = lane.answer * outcome.requests
    if abs(outcome.body_bytes - expected) > lane.spread * outcome.requests:
        raise h2load.LoadFailed(
            f"{lane.name}: {outcome.requests} answers have {outcome.body_bytes} bytes of body, "
            f"expected {expected}: some are errors"
        )


def verdict(goal: Goal | SideGoal, series: dict[str, Series], long_enough: bool) -> Verdict:
    """Compare medians of the same run."""
    if isinstance(goal, SideGoal):
        spent = series[goal.lane].beside()[goal.process]
        words = (
            f"{goal.words} processor time a request of {goal.lane}: {spent:.1f} us, "
            f"at most {goal.microseconds:.0f}"
        )
        return Verdict(words, spent <= goal.microseconds if long_enough else None)
    ours, theirs = series[goal.lane].cpu(), series[goal.of].cpu()
    if not long_enough or not ours or not theirs:
        return Verdict(f"{goal.lane} to {goal.of}, at most {goal.words}", None)
    words = (
        f"{goal.lane}: {ours:.1f} us is 1/{theirs / ours:.1f} of {theirs:.1f} us ({goal.of}), "
        f"at most {goal.words}"
    )
    return Verdict(words, ours <= goal.part * theirs)
