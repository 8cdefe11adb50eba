"""Holds what an evaluation says it read to what it does."""

import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from extauthz.cache.rules import of_rego
from extauthz.cache.seen import TooMuch
from extauthz.policy.engine import UNDEFINED, PolicyFailed
from extauthz.policy.plan.recording import IMPURE
from extauthz.policy.rego import RegoEngine
from extauthz.policy.values.text import to_json


class Tally(NamedTuple):
    agreed: int
    """Pairs of inputs that are the same in all that the first evaluation read."""
    violations: list[tuple[Any, Any, str, str]]
    """Those of them whose answers differ: inputs and answers."""


def shown(answer: object) -> str:
    if isinstance(answer, PolicyFailed):
        return f"failed: {answer.reason}"
    return "undefined" if answer is UNDEFINED else to_json(answer)


def check(
    engine: RegoEngine,
    documents: Iterable[Any],
    mutant: Callable[[random.Random, Any], Any],
    r: random.Random,
    mutants: int,
) -> Tally:
    """Evaluate, change the input, and where nothing that was read changed, compare."""
    assert engine.recorded is not None
    rules = of_rego(1.0, 1.0, engine.recorded)
    agreed = 0
    violations = []
    for document in documents:
        answer, noted = engine.decide_and_tell(document)
        if isinstance(answer, PolicyFailed) or IMPURE in noted:
            continue  # never remembered
        try:
            read = [rules.looks[number](document) for number in noted]
            for _ in range(mutants):
                other = mutant(r, document)
                if r.random() < 0.5:
                    other = mutant(r, other)
                if [rules.looks[number](other) for number in noted] == read:
                    agreed += 1
                    found = shown(engine.decide(other, None))
                    if found != shown(answer):
                        violations.append((document, other, shown(answer), found))
        except TooMuch:
            continue
    return Tally(agreed, violations)
