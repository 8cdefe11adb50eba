"""How a decision by Rego came about, by OPA's own interpreter on the same input.

The decision itself is our engine's. OPA's interpreter, which is slow and knows where each
expression stands, decides once more, and tells which rules it tried. It asks nobody: `http.send`
and `net.lookup_ip_addr` have no value there, and clocks show when it was asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from callout.observe.secrets import mask_text
from extauthz.explain.visible import Visible
from extauthz.policy.compiler.program import Ask
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.values.text import from_json, to_json

SECONDS: Final = 10.0
"""For OPA's evaluation: it is some ten times slower than ours, WebAssembly some ten times more."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is evaluated again."""

    sources: Mapping[str, bytes]
    """The Rego by path."""
    entrypoint: str
    document: Mapping[str, Any]
    """The whole input."""
    data: Any
    """Rego's `data`."""
    strict: bool
    runtime: Any
    """What `opa.runtime` gives."""
    now: int
    """Nanoseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Value:
    """What something that an expression names was worth."""

    name: str
    text: str
    """JSON, with `***` for what must not be shown; or words: `undefined`, `a large object`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The expression beyond which no evaluation of a rule got."""

    file: str
    line: int
    column: int
    text: str
    times: int
    """For how many values of what stands before it, it was false or undefined."""
    error: bool
    """Whether a builtin failed there."""
    values: tuple[Value, ...]
    """The first time."""
    within: "Failure | None"
    """Of an `every`: what is not true for one of its members."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One evaluation of a rule."""

    rule: str
    file: str
    line: int
    column: int
    depth: int
    """0: the entrypoint; 1: what that asked for."""
    default: bool
    times: int
    """How often it was true; 0: it failed."""
    value: str
    """JSON: the first value that it gave."""
    failed: Failure | None
    """Also None of a rule that failed before its body: its arguments or its key are others."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which rules were tried, in their order, and why each failed."""

    result: object
    """What OPA made of it; `UNDEFINED`. Not masked: to be compared, not to be shown."""
    rules: tuple[Tried, ...]
    cut: bool
    """There were more rules than are told."""
    asked: tuple[str, ...]
    """Builtins that would have asked others, and were not called."""
    errors: tuple[str, ...]
    """Why the evaluation ended early: place and code of each."""

    @property
    def gave(self) -> tuple[Tried, ...]:
        """The rules of the entrypoint that gave its value."""
        return tuple(each for each in self.rules if each.depth == 0 and each.times)


def explain(question: Question, ask: Ask, visible: Visible) -> Explanation:
    """Ask OPA's interpreter.

    Args:
        question: what was decided.
        ask: the program around OPA's code.
        visible: what may be shown.

    Raises:
        CompilerMissing: it does not run.
    """
    (reply,) = ask(
        [
            {
                "command": "explain",
                "sources": {path: text.decode() for path, text in question.sources.items()},
                "entrypoint": question.entrypoint,
                "input": to_json(question.document),
                "data": to_json(question.data),
                "runtime": question.runtime,
                "strict": question.strict,
                "now": question.now,
                "seconds": SECONDS,
            }
        ]
    )
    result = reply.get("result")
    return Explanation(
        UNDEFINED if result is None else from_json(result),
        tuple(_tried(each, visible) for each in reply["rules"] or ()),
        reply["cut"],
        tuple(reply.get("asked") or ()),
        tuple(_error(each) for each in reply.get("errors") or ()),
    )


def _error(problem: Mapping[str, Any]) -> str:
    place = f"{problem['file']}:{problem['row']}:{problem['col']}: " if problem["file"] else ""
    return place + str(problem["message"])


def _tried(told: Mapping[str, Any], visible: Visible) -> Tried:
    value, failed = told.get("value"), told.get("failed")
    return Tried(
        told["rule"],
        told["file"],
        told["row"],
        told["col"],
        told["depth"],
        told["default"],
        told["times"],
        _text(value, visible) if value else "",
        _failure(failed, visible) if failed else None,
    )


def _failure(told: Mapping[str, Any], visible: Visible) -> Failure:
    within = told.get("within")
    return Failure(
        told["file"],
        told["row"],
        told["col"],
        mask_text(told["text"]),
        told["times"],
        told["error"],
        tuple(
            Value(mask_text(each["name"]), _text(each, visible)) for each in told["values"] or ()
        ),
        _failure(within, visible) if within else None,
    )


def _text(told: Mapping[str, Any], visible: Visible) -> str:
    if told.get("undefined"):
        return "undefined"
    path = told.get("path")
    if path is not None:
        return to_json(visible.at(path))
    if told.get("large"):
        return f"a large {told['large']}"
    return to_json(visible.made(from_json(told["value"]), _last(told["name"])))


def _last(name: str) -> str:
    """The last name of a reference: `x.token`, `headers["x-api-key"]`."""
    return name.rstrip('"]').replace('["', ".").rpartition(".")[2]
