"""Who comes from opa-envoy-plugin sees the same answers: 20,000 requests beside a real OPA.

Our input document goes to a real OPA with the same policies; what it gives is read by the contract
as `contract` has it, and both of our ways (Rego in this process, an OPA server) must have answered
that. What OPA is not asked about must be what the plugin refuses, too.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from callout.testing.opa import OpaServer
from tests.extauthz.opa_envoy import requests as made
from tests.extauthz.opa_envoy.contract import ERROR, UNDEFINED, Reading, Sent
from tests.extauthz.opa_envoy.our_contract import OurReading
from tests.extauthz.opa_envoy.refusals import is_refused
from tests.extauthz.opa_envoy.sides import POLICIES, Case, Sides, named, sent

pytestmark = pytest.mark.timeout(600)  # 40 s of processor time, on a machine with other tests

BATCH = 50
"""Requests of one example, under way at a time."""
REQUESTS = 20_000


Run = Callable[[list[Case]], None]
"""Asks, and fills the cases in."""


@dataclass
class Ran:
    """All that was asked, and what came of it."""

    cases: list[Case] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def expected(case: Case, reading: Reading) -> Sent:
    if case.document is None:
        return Sent(7, 400)
    return reading.of(case.result)


def differences(case: Case, reading: Reading) -> list[str]:
    """Where our answers are not what the contract makes of OPA's result."""
    found = []
    must = expected(case, reading)
    for way, reply in (("rego", case.by_rego), ("opa", case.by_opa)):
        got = sent(reply)
        if case.document is None and got.body.startswith("request_parse_error: "):
            got.body = ""
        if got != must:
            found.append(f"{case.policy} by {way}: {got} for {case.result!r}, expected {must}")
    refused = is_refused(case.request.attributes.request.http)
    if refused != (case.document is None):
        found.append(f"{case.policy}: refused is {not refused}: {case.request}")
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    files = {f"{name}.rego": text for name, text in POLICIES.items()}
    with closing(OpaServer(tmp_path_factory.mktemp("opa"), files)) as started:
        yield started


@pytest.fixture(scope="module")
def run(server: OpaServer, native_opa: None) -> Iterator[Run]:
    yield from _running(server, "compat: opa-envoy")


@pytest.fixture(scope="module")
def run_ours(server: OpaServer, native_opa: None) -> Iterator[Run]:
    yield from _running(server, "mode: enforce")


def _running(server: OpaServer, words: str) -> Iterator[Run]:
    sides = Sides(server.url, words)
    with asyncio.Runner() as runner:
        runner.run(sides.open())
        yield lambda cases: runner.run(sides.ask(cases))
        runner.run(sides.close())


def generate(run: Run, number: int) -> list[Case]:
    """Derandomized: every run of the tests asks the same; each policy gets as many."""
    asked: list[Case] = []
    names = sorted(POLICIES)

    @settings(
        max_examples=number // BATCH,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(made.REQUESTS, min_size=BATCH, max_size=BATCH))
    def ask(requests: list[Any]) -> None:
        first = len(asked)
        cases = [Case(names[(first + at) % len(names)], one) for at, one in enumerate(requests)]
        run(cases)
        asked.extend(cases)

    ask()
    return asked


@pytest.fixture(scope="module")
def generated(run: Run) -> Ran:
    ran = Ran(generate(run, REQUESTS))
    reading = Reading()
    for case in ran.cases:
        ran.wrong.extend(differences(case, reading))
    return ran


def test_every_answer_is_what_the_contract_makes_of_opas_result(generated: Ran) -> None:
    assert generated.wrong[:3] == []
    assert len(generated.wrong) == 0
    assert len(generated.cases) >= REQUESTS


def test_the_requests_meet_all_that_the_contract_has(generated: Ran) -> None:
    ends: Counter[str] = Counter()
    fields: Counter[str] = Counter()
    policies: Counter[str] = Counter()
    for case in generated.cases:
        got = sent(case.by_rego)
        policies[case.policy] += 1
        if case.document is None:
            ends["refused"] += 1
        elif case.result is UNDEFINED:
            ends["undefined"] += 1
        elif case.result is ERROR:
            ends["error"] += 1
        else:
            ends["allowed" if got.code == 0 else "denied"] += 1
            if isinstance(case.result, dict):
                fields.update(case.result.keys())
    assert len(policies) == 40
    assert min(policies.values()) >= 500
    assert min(ends[end] for end in ("refused", "undefined", "error", "allowed", "denied")) > 20
    assert ends["allowed"] > 2000
    assert ends["denied"] > 2000
    for name in (
        "allowed",
        "body",
        "dynamic_metadata",
        "headers",
        "http_status",
        "query_parameters_to_remove",
        "query_parameters_to_set",
        "request_headers_to_remove",
        "response_headers_to_add",
    ):
        assert fields[name] > 100, name


def test_without_compat_it_is_what_our_own_contract_makes_of_it(run_ours: Run) -> None:
    cases = generate(run_ours, 2_000)
    reading = OurReading()
    wrong = []
    for case in cases:
        if case.document is None:
            # Rego in this process is decided by if it does not look at a body that is broken
            assert sent(case.by_opa).status == 400
            continue
        for reply in (case.by_rego, case.by_opa):
            got = sent(reply)
            assert got.metadata.pop("policy") == named(case.policy)
            if got != reading.of(case.result):
                wrong.append((case.policy, got, reading.of(case.result)))

    assert wrong[:3] == []
    assert len(cases) >= 2_000


@pytest.mark.parametrize("trap", made.TRAPS)
def test_a_trap_is_answered_as_there_by_every_policy(trap: str, run: Run) -> None:
    cases = [Case(name, made.TRAPS[trap]) for name in POLICIES]

    run(cases)

    reading = Reading()
    assert [found for case in cases for found in differences(case, reading)] == []


def test_all_traps_are_there() -> None:
    assert len(made.TRAPS) == 57
    assert len(POLICIES) == 40


class _Joined(Reading):
    def values(self, value: Any) -> list[Any]:
        return [", ".join(value)] if isinstance(value, list) and value else super().values(value)


class _LastOnly(Reading):
    def values(self, value: Any) -> list[Any]:
        return value[-1:] if isinstance(value, list) else [value]


class _CaseKept(Reading):
    def header_name(self, name: str) -> str:
        return name


class _Encoded(Reading):
    def pasted(self, text: str) -> str:
        return super().pasted(text.replace("&", "%26").replace("%", "%25"))


class _StatusByNumber(Reading):
    def status(self, result: dict[str, Any]) -> int:
        status = result.get("http_status", 403)
        return int(status) if str(status).replace(".", "").isdigit() else super().status(result)


class _TruthIsEnough(Reading):
    def decided(self, result: Any) -> Sent:
        return (
            Sent(0) if result and not isinstance(result, dict | bool) else super().decided(result)
        )


class _UndefinedPasses(Reading):
    def decided(self, result: Any) -> Sent:
        return Sent(0) if result is UNDEFINED else super().decided(result)


class _NoHeadersOfDenials(Reading):
    def denial(self, result: dict[str, Any]) -> Sent:
        found = super().denial(result)
        found.headers = {}
        return found


class _MetadataOfAllowancesOnly(Reading):
    def denial(self, result: dict[str, Any]) -> Sent:
        found = super().denial(result)
        found.metadata = {}
        return found


class _BodyOfAllowances(Reading):
    def allowance(self, result: dict[str, Any]) -> Sent:
        found = super().allowance(result)
        found.body = str(result.get("body", ""))
        return found


class _RemovalIsNotLast(Reading):
    def allowance(self, result: dict[str, Any]) -> Sent:
        found = super().allowance(result)
        found.headers = self.headers(result, "headers", rewrites=True)
        return found


MISTAKES: dict[str, Reading] = {
    "another default status": Reading(default_status=401),
    "another status where nothing was decided": Reading(undecided=500),
    "values of a header joined": _Joined(),
    "only the last of several values": _LastOnly(),
    "names as written": _CaseKept(),
    "query parameters encoded": _Encoded(),
    "403.0 is a status": _StatusByNumber(),
    "what is not false allows": _TruthIsEnough(),
    "undefined allows": _UndefinedPasses(),
    "a denial has no headers": _NoHeadersOfDenials(),
    "a denial has no metadata": _MetadataOfAllowancesOnly(),
    "an allowance has a body": _BodyOfAllowances(),
    "what is removed is set, too": _RemovalIsNotLast(),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake: str, generated: Ran) -> None:
    """A contract that is read wrong in one place does not fit what we answered."""
    reading = MISTAKES[mistake]

    found = (case for case in generated.cases if differences(case, reading))

    assert len(list(islice(found, 10))) == 10
