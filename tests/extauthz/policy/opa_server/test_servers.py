"""Several real OPA servers, of which some die, freeze, and come back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog

from callout.testing.plugin import StartOpa
from extauthz.policy.engine import UNDEFINED, Engine, PolicyFailed
from extauthz.policy.opa_server.breaker import THRESHOLD
from extauthz.policy.opa_server.server import MOST_PATIENT
from extauthz.policy.opa_server.servers import OpaServers
from tests.extauthz.policy.opa_server.opa import Opa

REGO = """package shop
default allow := false
allow if input.user == "bob"
broken := x if { some x in [1, 2] }
"""
BACK_WITHIN = 10.0
"""Seconds; within one, where a machine has nothing else to do."""


async def answered(engine: Engine, document: Any, seconds: float = 5.0) -> Any:
    asking = engine.decide(document, time.monotonic() + seconds)
    return await asking if isinstance(asking, Awaitable) else asking


class Two:
    """Two servers, and ours that asks them."""

    def __init__(self, start: StartOpa) -> None:
        self.real = [start({"shop.rego": REGO}), start({"shop.rego": REGO})]
        self.ours = OpaServers([each.url for each in self.real])

    async def ask(self, user: str = "bob", seconds: float = 5.0, path: str = "shop/allow") -> Any:
        return await answered(self.ours.engine(path), {"user": user}, seconds)

    async def until(self, state: str, number: int) -> None:
        end = time.monotonic() + BACK_WITHIN
        while self.ours.all[number].breaker.state != state:
            assert time.monotonic() < end, self.ours.all[number].breaker.state
            await asyncio.sleep(0.01)


@pytest.fixture
async def two(opa_server: StartOpa) -> AsyncIterator[Two]:
    made = Two(opa_server)
    yield made
    await made.ours.close()


async def test_both_are_asked(two: Two) -> None:
    assert [await two.ask() for _ in range(20)] == [True] * 20
    assert [each.questions for each in two.ours.all] == [10, 10]


async def test_when_one_dies_no_question_fails_and_it_is_not_asked_any_more(two: Two) -> None:
    await asyncio.gather(*(two.ask() for _ in range(50)))
    two.real[0].close()
    answers = [await two.ask("bob" if each % 2 else "eve") for each in range(40)]
    assert answers == [bool(each % 2) for each in range(40)]
    dead, left = two.ours.all
    assert dead.breaker.state != "closed"
    assert dead.failures == THRESHOLD
    assert left.failures == 0


async def test_when_one_dies_under_load_no_question_fails(two: Two) -> None:
    answers: list[bool] = []

    async def asking(number: int) -> None:
        for _ in range(30):
            answers.append(await two.ask("bob" if number % 2 else "eve") is bool(number % 2))

    async def dying() -> None:
        await asyncio.sleep(0.05)
        assert len(answers) < 600, "nobody asks any more"
        two.real[1].close()

    await asyncio.gather(dying(), *(asking(each) for each in range(20)))
    assert answers == [True] * 600
    assert two.ours.all[1].breaker.state != "closed"


async def test_when_one_freezes_a_question_waits_for_a_moment_only(two: Two) -> None:
    assert await two.ask() is True
    two.real[0].stop()
    try:
        began = time.monotonic()
        answers = [await two.ask("bob" if each % 2 else "eve") for each in range(40)]
        took = time.monotonic() - began
        assert answers == [bool(each % 2) for each in range(40)]
        assert two.ours.all[0].breaker.state != "closed"
        assert two.ours.all[0].failures == THRESHOLD
        # five waits of a tenth of a second; if each waited for its deadline it would be 25
        assert THRESHOLD * MOST_PATIENT <= took < 10
    finally:
        two.real[0].cont()
    await two.until("closed", 0)
    before = two.ours.all[0].questions
    assert [await two.ask() for _ in range(4)] == [True] * 4
    assert two.ours.all[0].questions > before


async def test_one_that_is_started_anew_is_asked_again(two: Two) -> None:
    two.real[0].close()
    for _ in range(2 * THRESHOLD):
        assert await two.ask() is True
    two.real[0].restart()
    await two.until("closed", 0)
    for _ in range(4):
        assert await two.ask() is True
    assert two.ours.all[0].breaker.state == "closed"


async def test_when_all_are_away_questions_fail_at_once(two: Two) -> None:
    for each in two.real:
        each.close()
    failed = [await two.ask() for _ in range(2 * THRESHOLD)]
    assert {each.reason for each in failed} == {"opa_unavailable"}
    assert all(each.unanswered for each in failed)
    assert [each.breaker.state == "closed" for each in two.ours.all] == [False, False]
    asked = [each.questions for each in two.ours.all]
    assert isinstance(await two.ask(), PolicyFailed)
    assert [each.questions for each in two.ours.all] == asked


async def test_an_error_of_the_policy_is_not_asked_again_and_counts_against_nobody(
    two: Two,
) -> None:
    for _ in range(4 * THRESHOLD):
        failed = await two.ask(path="shop/broken")
        assert failed == PolicyFailed("opa_error", "the OPA server answered 500")
    assert sum(each.questions for each in two.ours.all) == 4 * THRESHOLD
    assert [each.breaker.state for each in two.ours.all] == ["closed", "closed"]
    assert [each.failures for each in two.ours.all] == [0, 0]


async def test_a_caller_who_has_no_time_left_asks_nobody(two: Two) -> None:
    failed = await two.ask(seconds=0)
    assert (failed.reason, failed.unanswered) == ("opa_unavailable", True)
    assert [each.questions for each in two.ours.all] == [0, 0]


async def test_an_outage_is_a_log_line_and_not_one_a_question(two: Two) -> None:
    with structlog.testing.capture_logs() as logs:
        two.real[0].close()
        for _ in range(50):
            await two.ask()
        two.real[0].restart()
        await two.until("closed", 0)
    name = two.real[0].url.removeprefix("http://")
    lines = [(each["event"], each["server"], each["log_level"]) for each in logs]
    assert lines == [
        ("an OPA server is away", name, "warning"),
        ("an OPA server is back", name, "warning"),
    ]
    assert "bob" not in str(logs)


async def test_one_without_its_bundles_is_not_asked_while_there_are_others(
    two: Two, tmp_path: Path
) -> None:
    two.real[0].close()
    for _ in range(2 * THRESHOLD):
        assert await two.ask() is True
    bundles = ("--set", "services.s.url=http://127.0.0.1:1", "--set", "bundles.b.service=s")
    with closing(Opa(tmp_path, *bundles, port=two.real[0].port)) as waiting:
        assert waiting.get("/health") == 200
        assert waiting.get("/health?bundles") == 500
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            assert await two.ask() is True  # and not undefined
        assert two.ours.all[0].breaker.state != "closed"


async def test_alone_it_is_asked_as_soon_as_it_is_there(
    opa_server: StartOpa, tmp_path: Path
) -> None:
    real = opa_server({"shop.rego": REGO})
    ours = OpaServers([real.url])
    engine = ours.engine("shop/allow")
    real.close()
    bundles = ("--set", "services.s.url=http://127.0.0.1:1", "--set", "bundles.b.service=s")
    for _ in range(2 * THRESHOLD):
        await answered(engine, {})
    with closing(Opa(tmp_path, *bundles, port=real.port)):
        end = time.monotonic() + BACK_WITHIN
        while ours.all[0].breaker.state != "closed":
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        # as it says itself: no policy is no value, which is denied whatever `onError` says
        assert await answered(engine, {}) is UNDEFINED
    await ours.close()


async def test_closing_leaves_no_probe_behind(two: Two, opa_server: StartOpa) -> None:
    before = asyncio.all_tasks()
    other = Two(opa_server)
    for each in other.real:
        each.close()
    for _ in range(2 * THRESHOLD):
        await other.ask()
    await other.ours.close()
    assert asyncio.all_tasks() <= before


async def test_nothing_that_happens_to_a_probe_ends_the_probes(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = two.ours.all[0]._client
    well = asyncio.Event()
    real = client._client._request

    def request(*arguments: Any, **options: Any) -> Any:
        if not well.is_set():
            raise RuntimeError("a bug")
        return real(*arguments, **options)

    two.real[0].close()
    for _ in range(2 * THRESHOLD):
        assert await two.ask() is True
    monkeypatch.setattr(client._client, "_request", request)
    two.real[0].restart()
    await asyncio.sleep(0.2)
    assert two.ours.all[0].breaker.state != "closed"
    well.set()
    await two.until("closed", 0)
