"""RESPONSE_DYNAMIC_METADATA: what Envoy is told of a request, ours beside the model."""

import json
from random import Random
from typing import Any

from google.protobuf.json_format import MessageToDict
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ratelimit.answers import Extras
from tests.ratelimit.er.model import Asked, Model, Response
from tests.ratelimit.er.test_against_model import KEYS, VALUES, Conversation, descriptors
from tests.ratelimit.world import World

SOME: tuple[dict[str, Any], ...] = (
    {},
    {"a": 1.0},
    {"a": 2.0, "b": {"x": 1.0}},
    {"b": {"x": 2.0, "y": [True, None, "text"]}},
    {"b": "no mapping"},
    {"b": {"z": {"deep": 1.0}}, "c": []},
)


class Told(Conversation):
    """Its rules have metadata, and all that is told of it is compared."""

    def __init__(self, written: list[dict[str, Any]], random: Random) -> None:
        super().__init__([], random)
        self.met = 0
        with_metadata(written, random)
        document = {"domain": "d", "descriptors": written}
        files = {"ratelimit/x.yaml": json.dumps(document)}
        self.world = World(files, self.store, extras=Extras(rule_metadata=True))
        self.world.seen.wants_text = False
        self.model = Model([document])

    def same_answer(self, asked: list[Asked], expected: Response, answered: Any) -> None:
        super().same_answer(asked, expected, answered)
        told = MessageToDict(answered.dynamic_metadata)
        assert told["domain"] == "d"
        assert [each["entries"] for each in told["descriptors"]] == [
            [f"{key}={value}" for key, value in each.entries] for each in asked
        ]
        assert told.get("metadata", {}) == expected.metadata
        self.met += bool(expected.metadata)


def with_metadata(written: list[dict[str, Any]], random: Random) -> None:
    """Gives some to some descriptors."""
    for each in written:
        if random.random() < 0.7:
            each["metadata"] = random.choice(SOME)
        with_metadata(each.get("descriptors", []), random)


def test_what_is_told_is_what_the_model_tells() -> None:
    met = 0

    @settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(descriptors(KEYS, VALUES), st.integers(0, 2**32))
    def conversation(written: list[dict[str, Any]], seed: int) -> None:
        nonlocal met
        between = Told(written, Random(seed))
        for _ in range(40):
            between.step()
        met += between.met

    conversation()
    assert met > 100
