"""What answers say beside their verdict: headers for clients, metadata for Envoy."""

from typing import Any

import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.problems import Rejected
from callout.config.settings import Settings, load
from gatewright.run.options import extras
from ratelimit.answers import Extras, Headers, Names, deciding
from ratelimit.decide import NOT_LIMITED, UNLIMITED, Answer, Verdict
from ratelimit.envoy import encode
from ratelimit.limits import UNITS, Limit
from ratelimit.plan import Counted, Group, Plan

MINUTE = Limit(100, UNITS["minute"], "per-user")
SECOND = Limit(5, UNITS["second"])
HOUR = Limit(1000, UNITS["hour"], "all")


def plan(*groups: Limit | None, shadow: Limit | None = None) -> Plan:
    """One limit for each descriptor; None: none."""
    return Plan(
        tuple(
            Group(() if limit is None else (Counted(limit, 1, limit is shadow),))
            for limit in groups
        ),
        "shop",
    )


def said(extras: Extras, planned: Plan, answer: Answer) -> Any:
    """The whole response, as Envoy reads it."""
    return rls_pb2.RateLimitResponse.FromString(encode(answer) + extras.of(planned, answer))


def headers(kind: Headers, planned: Plan, answer: Answer, **how: Any) -> dict[str, str]:
    response = said(Extras(kind, **how), planned, answer)
    found = {each.key: each.value for each in response.response_headers_to_add}
    assert len(found) == len(response.response_headers_to_add), "a header twice"
    return found


PASSED = Answer(False, [Verdict(False, MINUTE, 42, 17)])
REFUSED = Answer(True, [Verdict(True, MINUTE, 0, 17)], False, MINUTE)


@pytest.mark.parametrize(
    ("kind", "passed", "refused"),
    [
        ("off", {}, {}),
        ("retry-after", {}, {"Retry-After": "17"}),
        (
            "draft-03",
            {"RateLimit-Limit": "100", "RateLimit-Remaining": "42", "RateLimit-Reset": "17"},
            {
                "RateLimit-Limit": "100",
                "RateLimit-Remaining": "0",
                "RateLimit-Reset": "17",
                "Retry-After": "17",
            },
        ),
        (
            "ietf",
            {"RateLimit-Policy": '"per-user";q=100;w=60', "RateLimit": '"per-user";r=42;t=17'},
            {
                "RateLimit-Policy": '"per-user";q=100;w=60',
                "RateLimit": '"per-user";r=0;t=17',
                "Retry-After": "17",
            },
        ),
    ],
)
def test_headers_are_those_that_were_asked_for(
    kind: Headers, passed: dict[str, str], refused: dict[str, str]
) -> None:
    assert headers(kind, plan(MINUTE), PASSED) == passed
    assert headers(kind, plan(MINUTE), REFUSED) == refused
    assert Extras(kind).always == bool(passed)


def test_names_of_the_old_draft_are_free_as_in_envoyproxy_ratelimit() -> None:
    found = headers("draft-03", plan(MINUTE), PASSED, names=Names("X-L", "X-R", "X-T"))
    assert found == {"X-L": "100", "X-R": "42", "X-T": "17"}


def test_no_header_is_one_that_envoy_makes_itself() -> None:
    for kind in ("retry-after", "draft-03", "ietf"):
        assert not [name for name in headers(kind, plan(MINUTE), REFUSED) if name[:2] == "X-"]


def test_a_limit_without_a_name_is_called_by_what_it_says() -> None:
    answer = Answer(False, [Verdict(False, SECOND, 3, 1)])
    found = headers("ietf", plan(SECOND), answer)
    assert found == {"RateLimit-Policy": '"5/second";q=5;w=1', "RateLimit": '"5/second";r=3;t=1'}


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_name_is_a_string_of_structured_fields(name: str) -> None:
    limit = Limit(1, UNITS["second"], name)
    answer = Answer(False, [Verdict(False, limit, 1, 1)])
    value = headers("ietf", plan(limit), answer)["RateLimit"]
    quoted = value.removesuffix(";r=1;t=1")
    assert all(" " <= each <= "~" for each in value)
    inside = quoted[1:-1].replace("\\\\", "").replace('\\"', "")
    assert quoted[0] == quoted[-1] == '"'
    assert '"' not in inside
    assert "\\" not in inside


def test_of_refusals_the_one_that_lasts_longest_is_told() -> None:
    verdicts = [
        Verdict(True, SECOND, 0, 1),
        Verdict(False, MINUTE, 0, 60),
        Verdict(True, HOUR, 0, 9),
    ]
    answer = Answer(True, verdicts, False, HOUR)
    assert headers("retry-after", plan(SECOND, MINUTE, HOUR), answer) == {"Retry-After": "9"}


def test_of_those_that_pass_the_tightest_is_told() -> None:
    verdicts = [Verdict(False, HOUR, 900, 9), NOT_LIMITED, Verdict(False, MINUTE, 3, 60), UNLIMITED]
    answer = Answer(False, verdicts)
    found = headers("ietf", plan(HOUR, None, MINUTE, None), answer)
    assert found["RateLimit"] == '"per-user";r=3;t=60'


def test_a_limit_in_shadow_is_told_to_envoy_and_to_no_client() -> None:
    planned = plan(MINUTE, HOUR, shadow=MINUTE)
    passed = Answer(False, [Verdict(False, MINUTE, 3, 60), Verdict(False, HOUR, 900, 9)])
    assert headers("draft-03", planned, passed)["RateLimit-Remaining"] == "900"
    alone = Answer(False, [Verdict(False, MINUTE, 3, 60)])
    assert headers("draft-03", plan(MINUTE, shadow=MINUTE), alone) == {}
    would = Answer(False, [NOT_LIMITED, Verdict(False, HOUR, 900, 9)], True, MINUTE)
    response = said(Extras("retry-after", True), planned, would)
    assert not response.response_headers_to_add
    assert MessageToDict(response.dynamic_metadata)["shadow"] is True


def test_envoy_is_told_which_limit_refused_and_why() -> None:
    response = said(Extras("off", True), plan(MINUTE), REFUSED)
    assert not response.response_headers_to_add
    assert MessageToDict(response.dynamic_metadata) == {
        "policy": "shop",
        "limit": "per-user",
        "reason": "over_limit",
        "shadow": False,
    }
    assert Extras("off", True).of(plan(MINUTE), PASSED) == b""


def test_what_is_not_limited_tells_nothing() -> None:
    for verdict in (NOT_LIMITED, UNLIMITED):
        assert headers("ietf", plan(None), Answer(False, [verdict])) == {}


LIMITS = [MINUTE, SECOND, HOUR]
VERDICTS = st.builds(
    Verdict, st.booleans(), st.sampled_from(LIMITS), st.integers(0, 9), st.integers(1, 9)
)


@settings(deadline=None)
@given(st.lists(VERDICTS, min_size=1, max_size=5), st.sampled_from([None, *LIMITS]))
def test_what_is_told_is_of_the_same_mind_as_the_answer(
    verdicts: list[Verdict], shadow: Limit | None
) -> None:
    planned = plan(*(each.limit for each in verdicts), shadow=shadow)
    over = any(each.over and each.limit is not shadow for each in verdicts)
    shown = deciding(planned, Answer(over, verdicts))
    candidates = [e for e in verdicts if e.limit is not shadow and e.over is over]
    if not candidates:
        assert shown is None
    elif over:
        assert shown is not None
        assert shown.reset == max(each.reset for each in candidates)
    else:
        assert shown is not None
        assert shown.remaining == min(each.remaining for each in candidates)


def settings_of(**environ: str) -> Settings | Rejected:
    return load(None, {f"GATEWRIGHT_ANSWERS__{name}": value for name, value in environ.items()}, {})


def test_the_settings_choose_them() -> None:
    found = settings_of(HEADERS="draft-03", NAMES__RESET="X-Reset", METADATA="false")
    assert isinstance(found, Settings)
    response = said(extras(found.answers), plan(MINUTE), REFUSED)
    assert [each.key for each in response.response_headers_to_add] == [
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "X-Reset",
        "Retry-After",
    ]
    assert not response.HasField("dynamic_metadata")


@pytest.mark.parametrize("name", ["a b", "a:b", "a\r\nb", ":status", "é", "x" * 101])
def test_what_is_no_name_of_a_header_is_refused_at_start(name: str) -> None:
    found = settings_of(NAMES__LIMIT=name)
    assert isinstance(found, Rejected)
    assert "expected the name of a header" in found.problems[0].message
