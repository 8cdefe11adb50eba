"""Metrics of real processes, killed and replaced, scraped over HTTP from another one."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from callout.observe import admin, shared
from callout.observe.metrics import exposition, plain
from callout.serve import address
from tests.callout.observe.scraped import samples
from tests.callout.observe.test_metrics import ALLOWED

ROOT = Path(__file__).parents[3]
OPEN = "gatewright_transport_open_connections"


class Worker:
    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.callout.observe.sharing_worker", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.place = int(self._answer())

    def do(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        assert self._answer() == "done\n"

    def kill(self) -> None:
        """As the kernel does when memory is out: nothing is cleaned up."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    with ExitStack() as running:

        def start() -> Worker:
            started = Worker(tmp_path)
            running.callback(started.kill)
            return started

        yield start


@pytest.fixture
def scrape(tmp_path: Path) -> Callable[[], dict[str, float]]:
    registry = CollectorRegistry()
    registry.register(shared.SharedMetrics(tmp_path))
    return lambda: samples(exposition(registry))


@pytest.fixture
async def admin_url(tmp_path: Path) -> AsyncIterator[str]:
    registry = CollectorRegistry()
    registry.register(shared.SharedMetrics(tmp_path))
    listening = address.bind(address.parse("127.0.0.1:0"))
    sources = admin.AdminSources(
        metrics=lambda accept: plain(accept, registry),
        ready=lambda: admin.Readiness(True),
        version={},
        effective=lambda: admin.Effective({}),
    )
    runner = await admin.serve(sources, listening)
    yield f"http://{address.address_of(listening)}"
    await runner.cleanup()


async def test_a_scrape_sums_over_workers_and_no_death_makes_a_sum_fall(
    worker: Callable[[], Worker], admin_url: str, tmp_path: Path
) -> None:
    async def scraped() -> dict[str, float]:
        async with ClientSession() as session, session.get(f"{admin_url}/metrics") as answer:
            assert answer.status == 200
            return samples(await answer.read())

    first, second = worker(), worker()
    first.do("decide 3")
    second.do("decide 4")
    first.do("open 5")
    second.do("open 2")
    before = await scraped()
    assert before[ALLOWED] == 7
    assert before["gatewright_transport_requests_total"] == 7
    assert before['gatewright_decision_seconds_count{face="authz",policy="shop"}'] == 7
    assert before[OPEN] == 7

    first.kill()
    shared.forget_dead(tmp_path)
    after = await scraped()
    assert after[ALLOWED] == 7
    assert after["gatewright_transport_requests_total"] == 7
    assert after['gatewright_decision_seconds_count{face="authz",policy="shop"}'] == 7
    assert after[OPEN] == 2, "the dead have no connections"

    third = worker()
    third.do("decide 10")
    third.do("open 1")
    again = await scraped()
    assert again[ALLOWED] == 17
    assert again[OPEN] == 3


def test_a_replacement_takes_the_place_of_the_dead_and_no_file_is_added(
    worker: Callable[[], Worker], scrape: Callable[[], dict[str, float]], tmp_path: Path
) -> None:
    staying = worker()
    files: set[str] = set()
    for round_ in range(3):
        crashing = worker()
        assert (staying.place, crashing.place) == (0, 1)
        crashing.do("decide 1")
        crashing.do("open 9")
        files = files or {path.name for path in tmp_path.iterdir()}
        assert {path.name for path in tmp_path.iterdir()} == files
        assert scrape()[ALLOWED] == round_ + 1
        crashing.kill()


def test_gauges_of_the_dead_do_not_outlive_their_replacement(
    worker: Callable[[], Worker], scrape: Callable[[], dict[str, float]]
) -> None:
    first = worker()
    first.do("open 9")
    first.kill()
    worker()
    assert scrape()[OPEN] == 0


def test_forgetting_leaves_the_living_alone(
    worker: Callable[[], Worker], scrape: Callable[[], dict[str, float]], tmp_path: Path
) -> None:
    living = worker()
    living.do("open 9")
    shared.forget_dead(tmp_path)
    assert scrape()[OPEN] == 9
    living.do("open 4")
    assert scrape()[OPEN] == 4


def test_a_file_that_a_kill_left_empty_does_not_break_the_scrape(
    worker: Callable[[], Worker], scrape: Callable[[], dict[str, float]], tmp_path: Path
) -> None:
    worker().do("decide 2")
    (tmp_path / "counter_7.db").touch()
    assert scrape()[ALLOWED] == 2


def test_a_file_that_goes_during_the_scrape_does_not_break_it(
    worker: Callable[[], Worker], scrape: Callable[[], dict[str, float]], tmp_path: Path
) -> None:
    worker().do("decide 2")
    # As it looks to who has listed the directory just before a replacement removed the file.
    (tmp_path / "gauge_livesum_7.db").symlink_to(tmp_path / "gone")
    assert scrape()[ALLOWED] == 2


def test_nobody_has_joined_yet(scrape: Callable[[], dict[str, float]]) -> None:
    assert scrape() == {}
