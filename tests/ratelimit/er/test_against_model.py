"""Ours beside the model of envoyproxy/ratelimit: rules, names, answers and counters, fuzzed."""

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar

import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ratelimit.domains import load
from ratelimit.envoy import parse
from ratelimit.er.stats import ErStats
from ratelimit.keys import descriptor_key, window_key
from ratelimit.modes import AS_WRITTEN, Modes
from ratelimit.plan import Plan
from ratelimit.request import Request
from ratelimit.rules import Match, Tree, match
from ratelimit.stores.contract import Hit, StoreUnavailable
from ratelimit.stores.memory import MemoryStore
from tests.ratelimit.er.asking import message_of, some_descriptors
from tests.ratelimit.er.model import Asked, ConfigError, Entries, Model, RateLimit, Response
from tests.ratelimit.world import World

T = TypeVar("T")
KEYS = ("k", "l")
VALUES = ("", "a", "b", "ab", "a*", "*b", "*", "a*b", "b*a*")
ASKED_VALUES = ("", "a", "b", "ab", "acb", "bba", "a*", "*", "c")
GLUED_KEYS = ("k", "k_a", "l*", "k_")
GLUED_VALUES = ("", "a", "a_b", "a*", "*_b", "_", "*")
GLUED_ASKED = ("", "a", "b", "a_b", "a_c_b", "_", "a*", "*")

FLAG = st.sampled_from([False, False, True])
NAMES = st.sampled_from(["", "", "one", "two"])


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(NAMES)
    replaces = [{"name": each} for each in ("one", "two") if each != name and draw(FLAG)]
    written: dict[str, Any] = {"name": name} if name else {}
    if replaces:
        written["replaces"] = replaces
    if draw(FLAG) and draw(FLAG):
        return written | {"unlimited": True}
    written["unit"] = draw(st.sampled_from(["second", "Minute", "HOUR", "day", "week", "month"]))
    written["requests_per_unit"] = draw(st.sampled_from([0, 1, 2, 3, 5, 8, 100, 2**32 - 1]))
    if draw(FLAG) and draw(FLAG):
        written["unit_multiplier"] = draw(st.integers(2, 9))
    return written


@st.composite
def descriptors(
    draw: st.DrawFn, keys: tuple[str, ...], values: tuple[str, ...], depth: int = 0
) -> list[dict[str, Any]]:
    listed = []
    for key, value in draw(
        st.lists(st.tuples(st.sampled_from(keys), st.sampled_from(values)), max_size=5, unique=True)
    ):
        one: dict[str, Any] = {"key": key} | ({"value": value} if value else {})
        for flag in ("shadow_mode", "quota_mode", "detailed_metric", "value_to_metric"):
            if draw(FLAG):
                one[flag] = True
        if "*" in value and draw(FLAG):
            one["share_threshold"] = True
        if draw(st.integers(0, 3)):
            one["rate_limit"] = draw(limits())
        if depth < 2 and draw(FLAG):
            one["descriptors"] = draw(descriptors(keys, values, depth + 1))
        listed.append(one)
    return listed


def both(written: list[dict[str, Any]], **how: bool) -> tuple[Tree, Model]:
    """Ours, and the model's."""
    document = {"domain": "d", "descriptors": written}
    loaded = load({"x.yaml": json.dumps(document).encode()}, **how)
    assert isinstance(loaded, dict), loaded
    return loaded["d"], Model([document])


def same_rule(ours: Match | None, model: RateLimit | None, entries: Entries) -> None:
    if ours is None or model is None:
        assert ours is None
        assert model is None
        return
    rule = ours.rule
    assert ours.key == model.full_key
    assert (rule.name, rule.replaces) == (model.name, set(model.replaces))
    assert (rule.shadow, rule.quota) == (model.shadow_mode, model.quota_mode)
    if rule.limit is None:
        assert model.unlimited
    else:
        assert (rule.limit.requests, rule.limit.unit.seconds) == (
            model.requests_per_unit,
            model.divider,
        )
    assert ours.entries == tuple(
        (key, model.share_patterns.get(index, value)) for index, (key, value) in enumerate(entries)
    )


def asked_for(keys: tuple[str, ...], values: tuple[str, ...]) -> Iterator[Entries]:
    """All descriptors of one and two entries."""
    pairs = [(key.replace("*", "x"), value) for key in keys for value in values]
    yield ()
    for pair in pairs:
        yield (pair,)
        for second in pairs:
            yield (pair, second)


@settings(max_examples=60, deadline=None)
@given(descriptors(KEYS, VALUES))
def test_every_descriptor_meets_the_rule_that_the_model_finds(
    written: list[dict[str, Any]],
) -> None:
    tree, model = both(written)
    for entries in asked_for(KEYS, ASKED_VALUES):
        same_rule(match(tree, entries), model.get_limit("d", Asked(entries, 1)), entries)


@settings(max_examples=60, deadline=None)
@given(descriptors(GLUED_KEYS, GLUED_VALUES))
def test_with_keys_glued_every_confusion_is_the_same(written: list[dict[str, Any]]) -> None:
    document = {"domain": "d", "descriptors": written}
    refused = load({"x.yaml": json.dumps(document).encode()}, joined=True)
    if not isinstance(refused, dict):
        with pytest.raises(ConfigError) as error:
            Model([document])
        assert str(error.value) in [each.message for each in refused.problems]
        return
    tree, model = both(written, joined=True)
    for entries in asked_for(GLUED_KEYS, GLUED_ASKED):
        same_rule(match(tree, entries), model.get_limit("d", Asked(entries, 1)), entries)


class Counting(MemoryStore):
    """Remembers what it answered last."""

    counts: Sequence[int] | StoreUnavailable = ()

    def add(
        self,
        hits: Sequence[Hit],
        now: float,
        deadline: float | None,
        then: Callable[[Sequence[int] | StoreUnavailable], T],
    ) -> T:
        def remembered(counts: Sequence[int] | StoreUnavailable) -> T:
            self.counts = counts
            return then(counts)

        return super().add(hits, now, deadline, remembered)


class Conversation:
    """The same requests to the service and to the model, at the same times."""

    def __init__(
        self,
        written: list[dict[str, Any]],
        random: Random,
        modes: Modes = AS_WRITTEN,
        stats: ErStats | None = None,
    ) -> None:
        document = {"domain": "d", "descriptors": written}
        self.store = Counting()
        self.stats = ErStats()
        self.world = World(
            {"ratelimit/x.yaml": json.dumps(document)}, self.store, modes=modes, stats=stats
        )
        self.world.seen.wants_text = False
        self.model = Model([document], shadow_mode=modes.shadow, quota_mode=modes.quota)
        self.random = random
        self.units: dict[str, int] = {}
        """The window of each of the model's counters. One counter with two (an override of another
        unit, at a time where both windows begin) is confused there, and two counters here."""

    def confused(self, asked: list[Asked], now: int) -> bool:
        for one, limit in zip(asked, self.model.limits("d", asked), strict=True):
            if limit is not None and not limit.unlimited:
                key = self.model.cache_key("d", one.entries, limit, now)
                start, end = self.model.window(limit, now)
                if self.units.setdefault(key, end - start) != end - start:
                    return True
        return False

    def step(self) -> bool:
        """One request; False: it was left out."""
        self.world.clock.move(self.random.choice([0, 0, 0, 0.5, 1, 7, 61, 4000, 90_000]))
        now = int(self.world.clock())
        asked = some_descriptors(self.random, KEYS, ASKED_VALUES)
        if self.confused(asked, now):
            return False
        expected = self.model.should_rate_limit("d", asked, now)
        message = message_of("d", asked)
        reply = self.world.reply(message)
        assert isinstance(reply, bytes)
        request, planner = parse(message), self.world.service._planner
        assert planner is not None
        assert isinstance(request, Request)
        plan = planner.plan(request)
        assert isinstance(plan, Plan)
        if plan.counted:
            assert not isinstance(self.store.counts, StoreUnavailable)
            self.stats.count(plan, self.store.counts)
        self.same_answer(asked, expected, rls_pb2.RateLimitResponse.FromString(reply))
        self.same_counters(asked, now)
        return True

    def same_answer(self, asked: list[Asked], expected: Response, answered: Any) -> None:
        code = rls_pb2.RateLimitResponse.Code.Name
        assert code(answered.overall_code) == expected.code
        limits = self.model.limits("d", asked)
        for ours, theirs, limit in zip(answered.statuses, expected.statuses, limits, strict=True):
            assert code(ours.code) == theirs.code
            if limit is not None and limit.shadow_mode and not theirs.remaining:
                # On purpose: what is left of a limit in shadow is not told when it is nothing.
                assert not ours.HasField("current_limit")
                continue
            assert ours.limit_remaining == theirs.remaining
            assert ours.duration_until_reset.seconds == theirs.reset
            if theirs.limit is None or limit is None:
                assert not ours.HasField("current_limit")
                continue
            requests, unit, name = theirs.limit
            told = ours.current_limit
            assert (told.requests_per_unit, told.name) == (requests, name)
            shown = "UNKNOWN" if limit.multiplier > 1 else unit
            assert rls_pb2.RateLimitResponse.RateLimit.Unit.Name(told.unit) == shown

    def same_counters(self, asked: list[Asked], now: int) -> None:
        for one, limit in zip(asked, self.model.limits("d", asked), strict=True):
            if limit is None or limit.unlimited:
                continue
            counted = [
                (key, limit.share_patterns.get(index, value))
                for index, (key, value) in enumerate(one.entries)
            ]
            start, end = self.model.window(limit, now)
            length = limit.divider
            if self.model.calendar and limit.unit == "MONTH":
                length = 0
            key = window_key(descriptor_key("d", length, counted), start)
            theirs = self.model.cache_key("d", one.entries, limit, now)
            assert self.model.ends[theirs] == end
            ours = self.store._windows.get(end, {})  # none: who only looks makes none
            assert ours.get(key, 0) == self.model.counters.get(theirs, 0)

    def same_statistics(self) -> None:
        ours = {f"{each.rule}.{each.name}": each.value for each in self.stats.statistics()}
        assert ours == +self.model.stats


CONVERSATIONS = 210
REQUESTS = 100


def test_twenty_thousand_requests_are_answered_and_counted_as_the_model_does() -> None:
    compared = 0

    @settings(
        max_examples=CONVERSATIONS,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # to shrink takes minutes
    )
    @given(descriptors(KEYS, VALUES), st.integers(0, 2**32))
    def conversation(written: list[dict[str, Any]], seed: int) -> None:
        nonlocal compared
        between = Conversation(written, Random(seed))
        compared += sum(between.step() for _ in range(REQUESTS))
        between.same_statistics()

    conversation()
    assert compared >= 20_000
