"""The section about OPA servers in docs/authorization.md, with real ones."""

import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
import yaml

from callout.config.problems import Rejected
from callout.config.settings import Settings, load
from callout.grpc.call import Call
from callout.testing.opa import OpaServer
from callout.testing.plugin import StartOpa
from callout.testing.requests import check_request
from extauthz.outcome import Allow, Deny
from extauthz.policy.opa_server.breaker import FIRST_WAIT, LONGEST_WAIT, THRESHOLD
from extauthz.policy.opa_server.client import MOST_BYTES
from extauthz.policy.opa_server.engine import ASKED_MOST, MOST_SECONDS
from extauthz.policy.opa_server.in_flight import PART
from extauthz.policy.opa_server.server import MOST_PATIENT
from extauthz.policy.opa_server.servers import OpaServers
from extauthz.result import outcome_of
from extauthz.service import AuthorizationService
from gatewright.run.options import opa_options
from tests.docs import pages
from tests.docs.conftest import LoadFiles
from tests.extauthz.world import Answered, NoKeys, Recorder

PAGE = "docs/authorization.md"
(POLICY,) = (each for each in pages.blocks(PAGE) if each.kind == "server")
(RESULTS,) = (each for each in pages.blocks(PAGE) if each.kind == "server results")


class Gate:
    """The service by the page's bundle, and the servers that it asks."""

    def __init__(self, load_files: LoadFiles, real: list[OpaServer]) -> None:
        loaded = load_files(pages.files(PAGE))
        assert not isinstance(loaded, Rejected)
        self.real = real
        self.servers = OpaServers([each.url for each in real])
        self.told = Recorder()
        self._service = AuthorizationService(
            lambda: loaded.snapshot, self.told, NoKeys(), self.servers.engine
        )

    async def ask(self, method: str, **headers: str) -> Answered:
        message = check_request(
            method,
            "/shelves/7",
            host="archive.example",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        call = Call((), time.monotonic() + 5, "test")
        reply = self._service.check(message.SerializeToString(), call)
        return Answered(reply if isinstance(reply, bytes) else await reply)


@pytest.fixture
async def gate(load_files: LoadFiles, opa_server: StartOpa) -> AsyncIterator[Gate]:
    made = Gate(load_files, [opa_server({POLICY.name: POLICY.text}) for _ in range(2)])
    yield made
    await made.servers.close()


async def test_the_server_gives_the_results_that_are_shown(gate: Gate) -> None:
    engine = gate.servers.engine(RESULTS.name)
    rows = yaml.safe_load(RESULTS.text)
    assert len(rows) == 3
    for row in rows:
        asking: Any = engine.decide(row["input"], time.monotonic() + 5)
        assert isinstance(asking, Awaitable)
        answer: Any = await asking
        assert answer == row["result"]
        allowed = answer["allowed"] if isinstance(answer, dict) else answer
        assert isinstance(outcome_of(answer, "opa", False), Allow if allowed else Deny)


async def test_requests_are_decided_as_the_page_says_while_one_server_is_left(gate: Gate) -> None:
    async def as_written() -> None:
        assert (await gate.ask("GET")).allowed
        assert (await gate.ask("PUT")).status == 403
        assert (await gate.ask("PUT", x_role="archivist")).headers["x-shelf"] == "7"

    await as_written()
    gate.real[0].close()
    for _ in range(4):
        await as_written()
    gate.real[1].close()
    answers = [await gate.ask("GET") for _ in range(2 * THRESHOLD)]
    assert {each.status for each in answers} == {503}
    assert gate.told.decisions[-1].reason == "opa_unavailable"


def test_the_settings_that_are_shown_say_all_that_there_is() -> None:
    found = [each for each in pages.blocks(PAGE) if each.kind == "settings"]
    read = [load(each.text.encode(), {}, {}) for each in found]
    (opa,) = (each.opa for each in read if isinstance(each, Settings) and each.opa is not None)
    servers, access = opa_options(opa)
    assert len(servers) == 2
    assert None not in (access.token_file, access.ca, access.cert, access.key)


def test_the_numbers_are_those_of_the_code() -> None:
    text = pages.read(PAGE)
    assert (PART, MOST_PATIENT) == (1 / 3, 0.1)
    assert "for a third of the question's time and at most 0.1 s" in text
    assert (THRESHOLD, ASKED_MOST, MOST_SECONDS) == (5, 3, 5.0)
    assert "five in a row" in text
    assert "of three servers at most" in text
    assert "or five seconds" in text
    assert (FIRST_WAIT, LONGEST_WAIT, MOST_BYTES) == (0.05, 0.5, 2**20)
    assert "after 0.05 to 0.5 seconds" in text
    assert "more than 1 MiB" in text
    reasons = {word for row in pages.table(PAGE, "opa") for word in pages.code(row[1])}
    assert reasons == {"opa_unavailable", "opa_error", "opa_overloaded", "undefined"}
