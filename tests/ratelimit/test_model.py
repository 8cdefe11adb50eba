"""Whole conversations against a model that is nothing but a dictionary and the rules' words."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from callout.testing.requests import rate_limit_request
from tests.ratelimit.world import World

RULES = {
    "ratelimit/d.yaml": """
domain: d
descriptors:
  - {key: a, rate_limit: {unit: second, requests_per_unit: 2}}
  - {key: a, value: x, rate_limit: {unit: minute, requests_per_unit: 3}}
  - {key: a, value: "x*", shadow_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}
  - {key: free, rate_limit: {unlimited: true}}
  - {key: never, rate_limit: {unit: day, requests_per_unit: 0}}
"""
}
WORLD = World(RULES)
"""The rules are compiled once; each example has counters of its own by moving a year ahead."""

LIMITS: dict[tuple[str, str], tuple[int, int, bool]] = {
    ("a", "y"): (2, 1, False),
    ("a", "z"): (2, 1, False),
    ("a", "x"): (3, 60, False),
    ("a", "xx"): (1, 60, True),
    ("never", "y"): (0, 86_400, False),
}
UNLIMITED = ("free", "y")


@dataclass
class Model:
    counters: dict[tuple[tuple[str, str], int], int] = field(default_factory=dict)

    def ask(
        self, now: float, descriptors: list[tuple[tuple[str, str], int]]
    ) -> tuple[int, list[tuple[int, int, int]]]:
        """The overall code; for each descriptor code, remaining, reset."""
        statuses = []
        for entry, addend in descriptors:
            if entry == UNLIMITED:
                statuses.append((1, 2**32 - 1, 0))
            elif entry not in LIMITS:
                statuses.append((1, 0, 0))
            else:
                limit, seconds, shadow = LIMITS[entry]
                window = int(now // seconds)
                count = max(self.counters.get((entry, window), 0) + addend, 0)
                self.counters[entry, window] = count
                reset = (window + 1) * seconds - int(now)
                if shadow and count >= limit:
                    statuses.append((1, 0, 0))
                else:
                    code = 2 if count > limit and addend >= 0 else 1
                    statuses.append((code, max(limit - count, 0), reset))
        return max(code for code, _, _ in statuses), statuses


ENTRY = st.sampled_from([*LIMITS, UNLIMITED, ("none", "y")])
ADDEND = st.none() | st.sampled_from([0, 1, 2, 5, 2**63, 2**64 - 1, -1, -3, -(2**64) + 1])
"""Below 0: to give back."""
STEP = st.tuples(
    st.sampled_from([0.0, 0.25, 1.0, 20.0, 61.0]),
    st.integers(0, 3),
    st.lists(st.tuples(ENTRY, ADDEND), min_size=1, max_size=4),
)


@given(st.lists(STEP, min_size=1, max_size=10))
async def test_every_conversation_is_answered_as_the_model_says(
    steps: list[tuple[float, int, list[tuple[tuple[str, str], int | None]]]],
) -> None:
    WORLD.clock.move(400 * 86_400)
    model = Model()
    for wait, common, descriptors in steps:
        WORLD.clock.move(wait)
        request = rate_limit_request("d", *[dict([e]) for e, _ in descriptors], hits_addend=common)
        hits = []
        for one, (entry, addend) in zip(request.descriptors, descriptors, strict=True):
            if addend is not None:
                one.hits_addend.value = abs(addend)
                if addend < 0:
                    one.MergeFromString(b"\x20\x01")
            counted = (common or 1) if addend is None else addend
            hits.append((entry, max(min(counted, 2**32), -(2**32))))
        overall, statuses = model.ask(WORLD.clock(), hits)
        response = await WORLD.asked(request)
        assert response.overall_code == overall
        assert [
            (each.code, each.limit_remaining, each.duration_until_reset.seconds)
            for each in response.statuses
        ] == statuses
