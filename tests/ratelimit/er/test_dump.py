"""`/rlconfig`: the rules in use, as envoyproxy/ratelimit writes them."""

from callout.config.problems import Rejected
from ratelimit.domains import load
from ratelimit.er.dump import dump

FILE = b"""domain: edge
descriptors:
  - key: tenant
    rate_limit: {unit: Minute, requests_per_unit: 5}
    descriptors:
      - key: path
        value: /login
        shadow_mode: true
        rate_limit: {unit: hour, requests_per_unit: 2}
  - {key: tenant, value: acme, rate_limit: {unlimited: true}}
  - {key: tenant, value: "b*", rate_limit: {unit: second, requests_per_unit: 7}}
  - {key: group, descriptors: [{key: user, rate_limit: {unit: day, requests_per_unit: 0}}]}
"""
OTHER = b"""domain: api
descriptors:
  - {key: x, rate_limit: {unit: second, unit_multiplier: 30, requests_per_unit: 1}}
"""
DUMPED = [
    "api.x: unit=30 SECONDS requests_per_unit=1, shadow_mode: false",
    "edge.tenant_acme: unit=UNKNOWN requests_per_unit=0, shadow_mode: false",
    "edge.tenant_b*: unit=SECOND requests_per_unit=7, shadow_mode: false",
    "edge.tenant: unit=MINUTE requests_per_unit=5, shadow_mode: false",
    "edge.tenant.path_/login: unit=HOUR requests_per_unit=2, shadow_mode: true",
    "edge.group.user: unit=DAY requests_per_unit=0, shadow_mode: false",
]


def test_every_rule_is_a_line_in_its_words() -> None:
    for joined in (False, True):
        trees = load({"edge.yaml": FILE, "api.yaml": OTHER}, joined=joined)
        assert not isinstance(trees, Rejected)
        assert sorted(dump(trees).splitlines()) == sorted(DUMPED), joined


def test_rules_stand_below_those_that_they_are_in() -> None:
    trees = load({"edge.yaml": FILE, "api.yaml": OTHER})
    assert not isinstance(trees, Rejected)
    assert dump(trees).splitlines() == DUMPED


def test_without_domains_there_is_nothing() -> None:
    assert dump({}) == ""
