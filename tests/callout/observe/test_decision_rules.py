import random

from callout.observe.decision_rules import PRESETS, DecisionRules, Rule

RULES = DecisionRules(
    [
        Rule(policy="shop", verdict="allow", reason="health", sample=0.0),
        Rule(slower=0.05),
        Rule(policy="shop", verdict="allow", sample=0.25),
        Rule(face="limit", reason="over_limit", sample=0.1),
        Rule(verdict="deny"),
    ],
    uniform=lambda: 0.2,
)


def test_the_first_rule_that_fits_decides() -> None:
    assert RULES.sample("authz", "allow", "shop", "rego", 0.001) == 0.25
    assert RULES.sample("authz", "allow", "shop", "health", 9.0) == 0.0
    assert RULES.sample("limit", "deny", "shop", "over_limit", 0.001) == 0.0
    assert RULES.sample("limit", "deny", "shop", "over_limit", 0.05) == 1.0
    assert RULES.sample("authz", "deny", "other", "rego", 0.001) == 1.0


def test_what_no_rule_fits_is_not_shown() -> None:
    assert RULES.sample("authz", "allow", "other", "rego", 0.001) == 0.0
    assert DecisionRules(PRESETS["off"]).sample("authz", "deny", "shop", "rego", 9.0) == 0.0


def test_counts_are_right_when_lines_are_scaled_by_their_share() -> None:
    rules = DecisionRules([Rule(sample=0.1)], random.Random(7).random)
    shown = [rules.sample("authz", "allow", "shop", "rego", 0.001) for _ in range(20_000)]
    scaled = sum(1 / each for each in shown if each)
    # The deviation of such a sum is 3 * sqrt(20,000) = 424; this is five times that.
    assert abs(scaled - 20_000) < 2_150


def test_what_a_client_makes_up_does_not_fill_memory() -> None:
    rules = DecisionRules([Rule()])
    for number in range(20_000):
        assert rules.sample("limit", "allow", f"domain-{number}", "within_limit", 0.0) == 1.0
    assert len(rules._found) <= 8192
