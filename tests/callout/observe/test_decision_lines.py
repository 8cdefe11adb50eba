import json

import pytest

from callout.observe.decision import Decision
from callout.observe.decision_lines import DecisionLines, Seen, Style, json_lines, readable
from callout.observe.decision_rules import PRESETS, DecisionRules
from callout.observe.line_writer import ATOMIC
from callout.observe.observers import Tee
from tests.callout.observe.planted import JWT, PASSWORD, found_in

ALLOWED = Decision(
    "authz", "allow", "shop", "rego", "alice", "GET shop.example/api/orders", 0.000231
)
DENIED = Decision("limit", "deny", "shop", "over_limit", "bob", "GET shop.example/", 0.0123)
SHADOW = DENIED._replace(shadow=True, detail="per-user 3/min")
FAILED = Decision("authz", "error", "", "policy_failed", "", "", 1.5)
FORGED = Decision(
    "authz",
    "deny",
    "shop",
    "no_credential",
    "eve\n12:00:00 ALLOW   authz root",
    "GET /\r\n\x1b[2J\x1b[32mALLOW\u202e" + "a" * 10_000,
    0.001,
    detail="x\x9b\x00y",
)
AT = 1_735_689_600.123
JSON = json_lines(3)


def line(decision: Decision, colours: bool = False) -> str:
    return readable(colours).line((AT, decision))


def test_a_readable_line_says_who_what_which_policy_why_and_how_long() -> None:
    assert line(ALLOWED).split()[1:] == [
        *("ALLOW", "authz", "alice", "GET", "shop.example/api/orders"),
        *("shop", "rego", "231", "us"),
    ]
    assert line(SHADOW).split()[1:] == [
        *("(DENY)", "limit", "bob", "GET", "shop.example/"),
        *("shop", "over_limit", "(per-user", "3/min)", "12.3", "ms"),
    ]
    assert line(FAILED).split()[1:] == [
        "ERROR",
        "authz",
        "-",
        "-",
        "-",
        "policy_failed",
        "1.5",
        "s",
    ]


@pytest.mark.parametrize("colours", [False, True])
def test_columns_are_aligned_whatever_their_texts(colours: bool) -> None:
    lines = [line(each, colours) for each in (ALLOWED, DENIED, SHADOW, FORGED, FAILED)]
    assert len({len(each) for each in lines}) == 1


def test_colours_are_ours_alone_and_only_on_request() -> None:
    assert "\x1b" not in line(FORGED)
    assert line(FORGED, colours=True).count("\x1b") == line(ALLOWED, colours=True).count("\x1b")


def test_a_forged_line_stays_inside_its_column() -> None:
    shown = line(FORGED)
    assert len(shown.splitlines()) == 1
    assert shown.isprintable()
    assert "eve\\n12:00:00 A" in shown


def test_a_json_line_has_every_field_on_one_line() -> None:
    told = SHADOW._replace(id="a1", digest="d0", trace="0af7", sample=0.25)
    assert json.loads(JSON.line((AT, told))) == {
        "kind": "decision",
        "id": "a1",
        "digest": "d0",
        "trace": "0af7",
        "sample": 0.25,
        "worker": 3,
        "time": "2025-01-01T00:00:00.123+00:00",
        "face": "limit",
        "verdict": "deny",
        "shadow": True,
        "policy": "shop",
        "reason": "over_limit",
        "who": "bob",
        "what": "GET shop.example/",
        "detail": "per-user 3/min",
        "seconds": 0.0123,
    }


def test_a_json_line_is_bounded_and_takes_any_text() -> None:
    shown = JSON.line((AT, FORGED._replace(who="\ud800" * 10_000)))
    assert len(shown.splitlines()) == 1
    fields = json.loads(shown)
    assert fields["detail"] == "x\\x9b\\x00y"
    assert "\x1b" not in fields["what"]


@pytest.mark.parametrize("style", [JSON, readable(True)], ids=["json", "readable"])
@pytest.mark.parametrize("character", ["\U000e0001", "\U0001f600", "\\", "x"], ids=repr)
def test_no_line_is_longer_than_what_stays_together_in_a_pipe(style: Style, character: str) -> None:
    """Workers share standard output: a longer line of one may be torn by a line of another."""
    long = character * 10_000
    told = FORGED._replace(face="limit", policy=long, reason=long, who=long, what=long, detail=long)
    assert len(style.line((AT, told)).encode()) + 1 <= ATOMIC


@pytest.mark.parametrize("style", [JSON, readable(True)], ids=["json", "readable"])
def test_a_token_that_reached_a_decision_is_not_shown(style: Style) -> None:
    leaky = ALLOWED._replace(
        who=f"Bearer {JWT}",
        what=f"GET shop.example/?access_token={JWT}",
        detail=f"redis://:{PASSWORD}@redis",
    )
    assert not found_in(style.line((AT, leaky)))


def test_lines_are_for_all_decisions_or_for_those_that_were_not_simply_allowed() -> None:
    every: list[Seen] = []
    some: list[Seen] = []
    for seen, which in ((every, "all"), (some, "denied")):
        lines = DecisionLines(seen.append, DecisionRules(PRESETS[which]))  # type: ignore[index]
        tee = Tee(lines)
        assert tee.wants_text
        for each in (ALLOWED, DENIED, SHADOW, FAILED):
            sample = tee.sample(each.face, each.verdict, each.policy, each.reason, each.seconds)
            tee.decided(each._replace(sample=sample))
    assert [each.verdict for _, each in every] == ["allow", "deny", "deny", "error"]
    assert [each.verdict for _, each in some] == ["deny", "deny", "error"]


def test_lines_that_were_dropped_are_said_in_the_same_style() -> None:
    assert json.loads(JSON.dropped(7)) == {"kind": "dropped", "worker": 3, "lines": 7}
    assert "7" in readable(False).dropped(7)
