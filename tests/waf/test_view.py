"""Policies that differ in thresholds alone share all rules."""

import gc
from pathlib import Path

import pytest

from callout.config.problems import Rejected
from callout.testing.data import require
from gatewright.bundle import rule_sets
from gatewright.cli.folders import gateway_config
from tests.waf.crs.run import files
from tests.waf.engine import PEER, head, ids, rules
from waf.load import load
from waf.matcher.library import Library
from waf.rule_files import Levels, compose
from waf.rules import RuleSet
from waf.transaction import Transaction
from waf.view import OPEN, view

THRESHOLD = b"inbound_anomaly_score_threshold"
LEVEL = f'SecAction "id:1,phase:1,pass,nolog,setvar:tx.{THRESHOLD.decode()}={OPEN.decode()}"\n'
TEXT = (
    LEVEL + 'SecRule ARGS "@contains x" "id:2,phase:1,pass,setvar:tx.score=+3"\n'
    'SecRule TX:score "@ge %{tx.inbound_anomaly_score_threshold}" "id:3,phase:1,deny"\n'
)


def _viewed(loaded: RuleSet, threshold: bytes) -> RuleSet:
    viewed = view(loaded, {THRESHOLD: threshold})
    assert viewed is not None
    return viewed


def test_each_view_has_its_own_threshold() -> None:
    loaded = rules(TEXT)

    for threshold, found in ((b"3", [2, 3]), (b"4", [2]), (b"10", [2])):
        transaction = Transaction(_viewed(loaded, threshold), b"1", 0.0)
        transaction.request_head(head(b"/?a=x"), PEER)
        assert ids(transaction) == found


def test_a_member_that_was_never_written_or_is_written_later_is_not_viewed() -> None:
    assert view(rules(TEXT), {b"other": b"1"}) is None
    assert view(rules(TEXT.replace("0000001", "5")), {THRESHOLD: b"7"}) is None
    later = f'SecAction "id:9,phase:1,pass,nolog,setvar:tx.{THRESHOLD.decode()}=9"'
    assert view(rules(LEVEL + later), {THRESHOLD: b"7"}) is None


@pytest.mark.parametrize(
    "answered",
    [
        'SecRule TX:inbound_anomaly_score_threshold "@lt 5" "id:5,phase:1,pass,setvar:tx.low=1"',
        'SecAction "id:5,phase:1,pass,nolog,setvar:tx.b=%{tx.inbound_anomaly_score_threshold}"',
        'SecAction "id:5,phase:1,pass,nolog,setvar:tx.inbound_anomaly_score_threshold=+1"',
    ],
)
def test_a_member_by_which_a_rule_was_answered_is_not_viewed(answered: str) -> None:
    assert view(rules(LEVEL + answered), {THRESHOLD: b"7"}) is None


def test_whether_a_member_is_there_may_have_been_asked() -> None:
    asked = (
        'SecRule &TX:inbound_anomaly_score_threshold "@eq 0" '
        '"id:5,phase:1,pass,nolog,setvar:tx.inbound_anomaly_score_threshold=5"'
    )

    assert _viewed(rules(LEVEL + asked), b"7").tx[THRESHOLD] == b"7"


@pytest.mark.parametrize("name", ["starter", "crs"])
def test_a_policy_with_thresholds_has_the_rules_of_one_without(name: str) -> None:
    shipped = gateway_config() / "waf"
    chosen = (
        rule_sets.starter(shipped) if name == "starter" else rule_sets.tree(require("crs"), "crs")
    )
    assert chosen is not None
    levels = Levels(paranoia=1, inbound=7, outbound=9)

    def loaded(levels: Levels) -> RuleSet:
        found = load(*compose(rule_sets.base(shipped), [chosen], levels))
        assert not isinstance(found, Rejected)
        return found

    viewed = view(loaded(levels.opened()), levels.thresholds())

    assert viewed is not None
    assert viewed.tx == loaded(levels).tx
    assert levels.opened() == Levels(1, "open", "open")
    assert Levels(1).thresholds() == {}


def test_a_thousand_policies_take_at_most_50_mb_more_than_one() -> None:
    crs = files(require("crs"))
    both = (THRESHOLD, b"outbound_anomaly_score_threshold")
    written = ",".join(f"setvar:tx.{name.decode()}={OPEN.decode()}" for name in both)
    level = f'SecAction "id:1,phase:1,pass,nolog,{written}"\n'.encode()
    main = crs["main.conf"].replace(b"Include rules", level + b"Include rules")
    loaded = load("main.conf", crs | {"main.conf": main})
    assert not isinstance(loaded, Rejected)
    matcher = Library(accelerated=False).matcher(loaded)
    gc.collect()
    before = _resident()

    kept = []
    for number in range(1000):
        viewed = view(loaded, dict.fromkeys(both, b"%d" % number))
        assert viewed is not None
        kept.append((viewed, matcher))

    assert len(kept) == 1000
    assert _resident() - before < 50 << 20


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
