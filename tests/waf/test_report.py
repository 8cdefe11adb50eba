"""What is counted of transactions, and which of them are timed."""

from itertools import count

import pytest

from callout.observe.metrics import Metrics
from tests.waf.engine import PEER, head, ids, rules
from waf.metrics import follow_waf
from waf.report import TIMED, Report
from waf.rules import RuleSet
from waf.tally import RULES, Tally
from waf.transaction import Budget, Transaction

SCORING = (
    'SecRule REQUEST_METHOD "@rx ." "id:1,phase:1,pass,nolog"\n'
    'SecRule ARGS "@rx attack" "id:2,phase:1,pass,log,'
    'setvar:tx.blocking_inbound_anomaly_score=+%s"\n'
    'SecRule ARGS "@rx never" "id:3,phase:1,deny,log"\n'
)


def over(
    rules: RuleSet, target: bytes = b"/?q=attack", timed: bool = False, late: bool = False
) -> Transaction:
    ticks, passing = count(), count()
    transaction = Transaction(
        rules,
        b"unique",
        1.0,
        (lambda: 9.0 * next(passing)) if late else (lambda: 0.0),
        budget=Budget(1.0, "pass"),
        clock=(lambda: float(next(ticks))) if timed else None,
    )
    transaction.request_head(head(target), PEER)
    transaction.request_body(b"")
    transaction.logging()
    return transaction


def shown(tally: Tally, *transactions: Transaction, policy: str = "shop") -> dict[str, float]:
    """What a scrape says, by series."""
    metrics = Metrics()
    follow_waf(metrics, tally)
    for each in transactions:
        Report(tally).over(each, policy)
    lines = metrics.render().decode().splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith("gatewright_waf"))
    return {series: float(value) for series, _, value in found}


def test_rules_that_log_are_counted_by_id() -> None:
    loaded = rules(SCORING % 5)

    found = shown(Tally(), over(loaded), over(loaded), over(loaded, b"/?q=fine"))

    assert ids(over(loaded)) == [1, 2]
    assert found['gatewright_waf_rule_hits_total{rule="2"}'] == 2
    assert 'gatewright_waf_rule_hits_total{rule="1"}' not in found
    assert 'gatewright_waf_rule_hits_total{rule="3"}' not in found


def test_no_more_rules_have_series_than_are_allowed() -> None:
    text = "".join(
        f'SecRule REQUEST_METHOD "@rx ." "id:{n},phase:1,pass,log"\n' for n in range(1, RULES + 11)
    )
    tally = Tally()

    tally.add(over(rules(text)), "shop")

    assert len(tally.hits) == RULES + 1
    assert tally.hits["other"] == 10


def test_what_is_nominated_is_counted_beside_what_matches() -> None:
    found = shown(Tally(), over(rules(SCORING % 5)))

    # Without a matcher, all rules are asked.
    assert found["gatewright_waf_nominated_total"] == 3
    assert found["gatewright_waf_confirmed_total"] == 2


def test_only_what_the_matcher_names_is_nominated() -> None:
    loaded = rules(SCORING % 5)
    transaction = Transaction(loaded, b"u", 1.0, nominate=lambda phase, values, look: (0,))
    transaction.request_head(head(b"/?q=attack"), PEER)

    assert (transaction.nominated, ids(transaction)) == (1, [1])


@pytest.mark.parametrize(("score", "bucket"), [(5, "5.0"), (6, "7.0"), (1000, "+Inf")])
def test_scores_are_a_histogram_by_policy(score: int, bucket: str) -> None:
    found = shown(Tally(), over(rules(SCORING % score)))

    series = 'gatewright_waf_score_bucket{le="%s",policy="shop",side="request"}'
    below = {key for key, value in found.items() if "_bucket" in key and value}
    assert series % bucket in below
    assert series % "4.0" not in below
    assert found['gatewright_waf_score_sum{policy="shop",side="request"}'] == score


def test_scores_are_counted_once() -> None:
    tally, loaded = Tally(), rules(SCORING % 5)
    tally.add(over(loaded), "shop")

    assert len(tally.take_scores()) == 1
    assert tally.take_scores() == []


def test_a_policy_beyond_the_bound_is_one_with_the_others() -> None:
    tally, transaction = Tally(), over(rules(SCORING % 5))
    for number in range(250):
        tally.add(transaction, f"policy-{number}")

    rows = {row.policy: sum(row.buckets) for row in tally.take_scores()}
    assert len(rows) == 201
    assert rows["other"] == 50


def test_a_transaction_that_is_timed_tells_how_long_each_rule_took() -> None:
    tally = Tally()
    found = shown(tally, over(rules(SCORING % 5), timed=True), over(rules(SCORING % 5)))

    assert found["gatewright_waf_timed_total"] == 1
    assert {rule: found[f'gatewright_waf_rule_seconds_total{{rule="{rule}"}}'] for rule in "123"}
    assert tally.seconds == {"1": 1.0, "2": 1.0, "3": 1.0}


def test_the_time_of_nomination_is_told_by_its_name() -> None:
    ticks = count()
    transaction = Transaction(
        rules(SCORING % 5),
        b"u",
        1.0,
        nominate=lambda phase, values, look: (2,),
        clock=lambda: float(next(ticks)),
    )
    transaction.request_head(head(b"/?q=fine"), PEER)
    tally = Tally()
    tally.add(transaction, "shop")

    assert tally.seconds == {"nomination": 1.0, "3": 1.0}


def test_a_budget_that_was_spent_is_counted() -> None:
    text = "".join(f'SecRule ARGS "@rx {n}" "id:{n},phase:1,pass,nolog"\n' for n in range(1, 20))

    found = shown(Tally(), over(rules(text), late=True), over(rules(text)))

    assert found["gatewright_waf_out_of_time_total"] == 1


def test_bytes_that_nobody_looked_at_are_counted_as_far_as_they_are_known() -> None:
    tally = Tally()
    report = Report(tally)
    report.uninspected("request", 100)
    report.uninspected("request", None)

    found = shown(tally)
    assert found['gatewright_waf_uninspected_bodies_total{side="request"}'] == 2
    assert found['gatewright_waf_uninspected_bytes_total{side="request"}'] == 100
    # Alerts need a zero to grow from.
    assert found['gatewright_waf_uninspected_bodies_total{side="response"}'] == 0


def test_few_transactions_are_timed() -> None:
    assert Report(Tally(), uniform=lambda: TIMED).timing(float) is None
    assert Report(Tally(), uniform=lambda: 0.0).timing(float) is float


def test_whoever_audits_is_given_every_transaction() -> None:
    given: list[Transaction] = []

    class Kept:
        def put(self, transaction: Transaction) -> None:
            given.append(transaction)

    transaction = over(rules(SCORING % 5))
    Report(Tally(), Kept()).over(transaction, "shop")

    assert given == [transaction]
