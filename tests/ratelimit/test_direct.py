"""A message that is planned in one walk is planned as one that is read, matched and named."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.config.snapshot import Snapshot
from callout.testing.requests import rate_limit_request
from ratelimit.config import LimitsSection
from ratelimit.direct import Direct
from ratelimit.domains import load
from ratelimit.envoy import parse
from ratelimit.keys import ErNames
from ratelimit.modes import Modes
from ratelimit.plan import Plan
from ratelimit.planner import Planner
from ratelimit.request import Request
from tests.ratelimit.world import snapshot

NOW = 1_735_689_600.0
KEYS = ("a", "longer")
VALUES = ("", "x", "xy", "x*", "é", "1:a1:x", "v" * 126, "v" * 127)
ASKED = ("x", "xy", "xz", "x*", "é", "y", "1:a1:x", "v" * 126, "v" * 127, "v" * 128, "w" * 90, "")
DOMAINS = ("shop", "other", "no such domain", "")


def rule(random: random.Random, depth: int) -> dict[str, Any]:
    """A descriptor of a file: most of them plain."""
    made: dict[str, Any] = {"key": random.choice(KEYS)}
    if value := random.choice(("", "", "", "", *VALUES)):
        made["value"] = value
    if random.random() < 0.8:
        kind = random.random()
        if kind < 0.1:
            made["rate_limit"] = {"unlimited": True}
        else:
            made["rate_limit"] = {
                "unit": random.choice(["second", "hour"]),
                "requests_per_unit": random.randrange(5),
            }
            if kind < 0.2:
                made["rate_limit"]["name"] = random.choice("np")
            elif kind < 0.3:
                made["rate_limit"]["replaces"] = [{"name": random.choice("np")}]
        for mode in ("shadow_mode", "quota_mode", "detailed_metric"):
            if random.random() < 0.1:
                made[mode] = True
    if "*" in value and random.random() < 0.5:
        made["share_threshold"] = True
    elif not value and random.random() < 0.1:
        made["value_to_metric"] = True
    if depth and random.random() < 0.6:
        made["descriptors"] = rules(random, depth - 1)
    return made


def rules(random: random.Random, depth: int) -> list[dict[str, Any]]:
    found = {}
    for _ in range(random.randrange(1, 5)):
        made = rule(random, depth)
        found[made["key"], made.get("value", "")] = made
    return list(found.values())


def loaded(random: random.Random, er: bool = False) -> Snapshot:
    """Two domains; JSON is YAML."""
    files = {
        f"ratelimit/{domain}.yaml": json.dumps({"domain": domain, "descriptors": rules(random, 2)})
        for domain in DOMAINS[:2]
    }
    return snapshot(files, LimitsSection(er=ErNames() if er else None))


def message(random: random.Random) -> bytes:
    descriptors = [
        {
            random.choice(KEYS * 9 + ("z",)): random.choice(("x", "xy", "y", *ASKED))
            for _ in range(random.choice((1, 1, 2)))
        }
        for _ in range(random.choice((1, 1, 2)))
    ]
    asked = rate_limit_request(random.choice(DOMAINS[:1] * 9 + DOMAINS), *descriptors)
    written = bytearray(asked.SerializeToString())
    if random.random() < 0.1:
        written[random.randrange(len(written))] = random.randrange(256)
    elif random.random() < 0.1:
        del written[random.randrange(len(written)) :]
    return bytes(written)


def parts(plan: Plan) -> dict[str, Any]:
    """All that is said of a request."""
    names = ("groups", "counted", "keys", "quotas", "policy", "reason", "note", "asked")
    said = {name: getattr(plan, name) for name in (*names, "undivided", "settles", "tells_shadow")}
    return said | {"hits": plan.hits(NOW)}


def compared(seed: int, messages: int, modes: Modes) -> int:
    """How many of so many messages were planned directly, each as it is otherwise."""
    chance = random.Random(seed)
    planner = Planner(loaded(chance), 16, modes)
    direct = 0
    for _ in range(messages):
        written = message(chance)
        found = planner.directly(written)
        if found is not None:
            direct += 1
            request = parse(written)
            assert isinstance(request, Request), written
            planned = planner.plan(request)
            assert isinstance(planned, Plan)
            assert parts(found) == parts(planned), written
    return direct


@given(st.integers(0, 2**32), st.sampled_from([Modes(), Modes(quota=True)]))
def test_it_is_what_reading_matching_and_naming_make_of_it(seed: int, modes: Modes) -> None:
    compared(seed, 40, modes)


def test_enough_of_these_messages_are_planned_so() -> None:
    assert sum(compared(seed, 60, Modes()) for seed in range(40)) > 150


PLAIN = """
domain: edge
descriptors:
  - {key: client, rate_limit: {unit: hour, requests_per_unit: 9}}
  - {key: client, value: banned, rate_limit: {unit: hour, requests_per_unit: 0}}
  - key: user
    descriptors:
      - {key: path, rate_limit: {unit: minute, requests_per_unit: 5}}
"""


LONG = "d" * 100
"""A domain: the longest name of a counter is 200 bytes."""


def edge(*descriptors: dict[str, str]) -> bytes:
    written: bytes = rate_limit_request("edge", *descriptors).SerializeToString()
    return written


def test_requests_that_meet_the_same_rules_share_what_decides() -> None:
    planner = Planner(snapshot({"ratelimit/edge.yaml": PLAIN}), 16)
    one, other, banned = [
        planner.directly(edge({"client": client}, {"user": "ann", "path": "/"}))
        for client in ("10.0.0.1", "10.0.0.22", "banned")
    ]
    assert one is not None
    assert other is not None
    assert banned is not None
    assert one.groups is other.groups
    assert one.groups is not banned.groups
    assert one.keys == (
        b"rl:d:4:edge3600s:6:client8:10.0.0.1@",
        b"rl:d:4:edge60s:4:user3:ann4:path1:/@",
    )
    assert [hit.key for hit in other.hits(NOW + 60)] == [
        b"rl:d:4:edge3600s:6:client9:10.0.0.22@1735689600",
        b"rl:d:4:edge60s:4:user3:ann4:path1:/@1735689660",
    ]
    # Back, as a clock may go: of both, although they share their windows.
    assert [plan.hits(NOW)[1].key[-10:] for plan in (one, other)] == [b"1735689600"] * 2


LEFT = {
    "another domain": b"\n\x05other\x12\x0b\n\t\n\x06client",
    "no rule": edge({"nobody": "x"}),
    "a value that is not ASCII": edge({"client": "é"}),
    "a long name": rate_limit_request(LONG, {"client": "c" * 100}).SerializeToString(),
    "an entry longer than its descriptor": edge({"client": "x"}).replace(b"\x12\x0d", b"\x12\x0c"),
    "a long message": edge(*[{"client": "c" * 100}] * 12),
    "a limit in it": edge({"client": "x"})[:-1] + b"\x12\x04\x08\x05\x10\x02",
    "no descriptor": edge(),
    "nothing": b"",
    "half of it": edge({"client": "1234567"})[:-3],
    "too much": edge({"client": "1234567"}) + b"\x12",
}


@pytest.mark.parametrize("written", LEFT.values(), ids=LEFT)
def test_it_leaves_to_others(written: bytes) -> None:
    files = {"edge.yaml": PLAIN, "long.yaml": PLAIN.replace("domain: edge", f"domain: {LONG}")}
    trees = load({name: text.encode() for name, text in files.items()})
    assert isinstance(trees, dict)
    short = edge({"client": "x"}).replace(b"\x04edge", b"\x64" + LONG.encode())
    assert Direct(trees.values()).met(short) is not None
    assert Direct(trees.values()).met(written) is None


def test_what_it_remembers_is_bounded_by_the_rules() -> None:
    planner = Planner(snapshot({"ratelimit/edge.yaml": PLAIN}), 16)
    for number in range(3_000):
        planner.directly(edge({"client": "x" * (number % 140)}, {f"k{number}": "x"}))
        planner.directly(edge({"client": f"x{number}"}))
    (root,) = planner._direct._roots.values()
    assert len(root.steps) <= 127
    assert len(planner._alike) <= 2


def test_a_domain_that_counts_as_envoyproxy_ratelimit_is_left_out() -> None:
    chance = random.Random(1)
    planner = Planner(loaded(chance, er=True), 16)
    assert not any(planner.directly(message(chance)) for _ in range(500))
