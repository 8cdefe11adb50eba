"""Mask rules do to an event what a real OPA does, and nothing else."""

import random
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest

from callout.testing import tools
from extauthz.decision_logs import rules
from tests.extauthz.decision_logs.log_service import LogService
from tests.extauthz.decision_logs.opa import LoggingOpa

POLICIES: Final = {
    "log.rego": "package system.log\n\nmask := input.input.rules\n",
    "echo.rego": "package echo\n\nresult := input.result\n",
}
DOCUMENT: Final = {
    "a": {"b": {"c": 1}, "d": "text", "": "empty", "x y": 2, "~1": 3, ":path": "/p"},
    "list": [1, {"k": "v"}, [7, 8, 9]],
    "null": None,
}
RESULT: Final = {"allowed": True, "headers": {"x": "1"}, "list": ["a", "b"]}

ROWS: Final[dict[str, list[Any]]] = {
    "nothing": [],
    "a path removes": ["/input/a/d"],
    "an object removes": [{"op": "remove", "path": "/input/a/b"}],
    "an object puts": [{"op": "upsert", "path": "/input/a/d", "value": "***"}],
    "a value of null": [{"op": "upsert", "path": "/input/a/d", "value": None}],
    "no value": [{"op": "upsert", "path": "/input/a/d"}],
    "the whole input": ["/input"],
    "the whole result": ["/result"],
    "another input": [{"op": "upsert", "path": "/input", "value": {"x": 1}}],
    "another result": [{"op": "upsert", "path": "/result", "value": False}],
    "result, below": ["/result/headers/x", {"op": "upsert", "path": "/result/allowed", "value": 0}],
    "new objects on the way": [{"op": "upsert", "path": "/input/new/er/est", "value": 1}],
    "through a text": [{"op": "upsert", "path": "/input/a/d/e", "value": 1}, "/input/a/d/e"],
    "through nothing": ["/input/none/d", "/input/none", "/nd_builtin_cache/x"],
    "an element": ["/input/list/0"],
    "an element of an element": ["/input/list/2/1", "/input/list/1/k"],
    "the last twice": ["/input/list/2", "/input/list/2"],
    "beyond the end": ["/input/list/3", {"op": "upsert", "path": "/input/list/3", "value": 1}],
    "below beyond the end": [{"op": "upsert", "path": "/input/list/5/x", "value": 1}],
    "not an index": ["/input/list/x", "/input/list/-1", "/input/list/1.0", "/input/list/"],
    "a signed index": ["/input/list/+1"],
    "an index with zeros": ["/input/list/00"],
    "an element is put": [{"op": "upsert", "path": "/input/list/1", "value": [1]}],
    "an element of the result": ["/result/list/0"],
    "an empty name": ["/input/a/"],
    "a colon": ["/input/a/:path"],
    "a tilde": ["/input/a/~1"],
    "twice": ["/input/a/d", "/input/a/d"],
    "put and removed": [{"op": "upsert", "path": "/input/a/n", "value": 1}, "/input/a/n"],
    "an escape": ["/input/a/%41"],
    "nothing below null": ["/input/null/x", {"op": "upsert", "path": "/input/null/x", "value": 1}],
}
WRONG: Final[dict[str, Any]] = {
    "no list": {"a": 1},
    "a number": [1],
    "no slash": ["input/a"],
    "empty": [""],
    "elsewhere": ["/labels/id"],
    "a wrong op": [{"op": "replace", "path": "/input/a", "value": 1}],
    "no op": [{"path": "/input/a"}],
    "no path": [{"op": "remove"}],
    "a path that is no text": [{"op": "remove", "path": 1}],
    "a bad escape": ["/input/%zz"],
    "one wrong among good ones": ["/input/a/d", "nonsense"],
}


@pytest.fixture(scope="module")
def service() -> Iterator[LogService]:
    service = LogService()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def opa(tmp_path_factory: pytest.TempPathFactory, service: LogService) -> Iterator[LoggingOpa]:
    tools.require("opa")
    folder = Path(tmp_path_factory.mktemp("opa"))
    server = LoggingOpa(folder, POLICIES, service.url.removesuffix("/logs"))
    yield server
    server.close()


def _question(masks: Any, document: Any = DOCUMENT, result: Any = RESULT) -> dict[str, Any]:
    asked = {**deepcopy(document), "rules": masks, "result": deepcopy(result)}
    return {"input": asked, "result": deepcopy(result)}


def _ours(question: dict[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = deepcopy(question)
    rules.apply(rules.read_rules(deepcopy(question["input"]["rules"])), event)
    return event


def _compared(opa: LoggingOpa, service: LogService, questions: list[dict[str, Any]]) -> int:
    """How many events differ; each says what was asked in its own way."""
    before = len(service.events)
    ids = [opa.decide("echo/result", each["input"])["decision_id"] for each in questions]
    service.wait(before + len(questions))
    theirs = {each["decision_id"]: each for each in service.events}
    differing = 0
    for name, question in zip(ids, questions, strict=True):
        parts = ("input", "result", "erased", "masked")
        expected = {part: theirs[name][part] for part in parts if part in theirs[name]}
        found = _ours(question)
        differing += found != expected
        if found != expected:
            print(question["input"]["rules"], found, expected, sep="\n")
    return differing


def test_every_row_masks_as_opa_does(opa: LoggingOpa, service: LogService) -> None:
    assert len(ROWS) >= 30
    assert _compared(opa, service, [_question(masks) for masks in ROWS.values()]) == 0


def test_four_hundred_random_rules_mask_as_opa_does(opa: LoggingOpa, service: LogService) -> None:
    chance = random.Random(5)
    names = ["a", "b", "0", "1", "2", "x"]

    def value(depth: int) -> Any:
        kind = chance.choice(["object", "list", "leaf"] if depth else ["leaf"])
        if kind == "object":
            return {chance.choice(names): value(depth - 1) for _ in range(3)}
        if kind == "list":
            return [value(depth - 1) for _ in range(chance.randrange(4))]
        return chance.choice([1, "t", None, True])

    def rule() -> Any:
        path = "/".join(["", chance.choice(["input", "result"])])
        path += "".join("/" + chance.choice(names) for _ in range(chance.randrange(1, 5)))
        if chance.random() < 0.5:
            return path
        return {"op": "upsert", "path": path, "value": value(1)}

    questions = [
        _question([rule() for _ in range(5)], {name: value(4) for name in names}, value(3))
        for _ in range(400)
    ]
    assert _compared(opa, service, questions) == 0
    changed = [each for each in map(_ours, questions) if "erased" in each or "masked" in each]
    assert len(changed) > 200


@pytest.mark.parametrize("masks", WRONG.values(), ids=WRONG.keys())
def test_wrong_rules_are_refused_whole(masks: Any) -> None:
    with pytest.raises(rules.BadRules):
        rules.read_rules(masks)


def test_opa_logs_no_event_whose_rules_are_wrong(opa: LoggingOpa, service: LogService) -> None:
    """What we refuse, OPA refuses: else its events would have come before the last one."""
    refused = {opa.decide("echo/result", _question(each)["input"])["decision_id"]
               for each in WRONG.values()}  # fmt: skip
    last = opa.decide("echo/result", _question([])["input"])["decision_id"]
    service.wait(len(service.events) + 1)
    assert last in service.ids
    assert not refused & set(service.ids)


def test_a_name_that_must_be_escaped_is_masked_although_opa_does_not() -> None:
    event = _ours(_question(["/input/a/x y"]))
    assert "x y" not in event["input"]["a"]
    assert event["erased"] == ["/input/a/x%20y"]
