"""`print` of a policy: to our log, as OPA's goes to its own (v1/topdown/print.go of OPA 1.22).

Only where the policy's `decide` says `print: true`: else it is dropped, by OPA's compiler already
in our program, and by the translator where a native `opa build` compiled. What it says is whatever
the policy's author chose to show; secrets are masked by their look, as in all our log lines, and
nothing else is.
"""

import time
from itertools import islice, product
from typing import Final

import structlog

from extauthz.policy.builtins.printf import sprintf
from extauthz.policy.errors import RegoError
from extauthz.policy.plan.ir import Place
from extauthz.policy.values.representation import RegoSet, Value, ordered

_log = structlog.get_logger("gatewright.rego")

PRINT: Final = "internal.print"
"""What plans call it."""
MOST_A_SECOND: Final = 10
"""Lines of one `print` in a worker: a policy decides thousands of times a second."""
MOST_OF_ONE: Final = 10
"""Lines of one call: a line for each combination of its operands' values."""
LONGEST: Final = 1000
"""Characters of a line."""


class Print:
    """One `print` in a policy."""

    __slots__ = ("_left", "_place", "_silent", "_until")

    def __init__(self, place: Place) -> None:
        self._place = place
        self._until = 0.0
        self._left = 0
        self._silent = 0  # lines that were left out

    def say(self, operands: Value) -> None:
        """Logs one evaluation of it; never fails a decision for what it prints.

        Args:
            operands: an array with a set for each operand: its values, none if it is undefined.

        Raises:
            RegoError: no such array, which OPA's compiler never makes.
        """
        if type(operands) is not list:
            raise RegoError("rego_internal", "print takes an array")
        now = time.monotonic()
        if now >= self._until:
            self._until, self._left = now + 1.0, MOST_A_SECOND
        if self._left <= 0:
            self._silent += 1
            return
        for texts in islice(product(*map(_texts, operands)), min(MOST_OF_ONE, self._left)):
            self._left -= 1
            silent, self._silent = self._silent, 0
            _log.info(
                "print",
                said=" ".join(texts)[:LONGEST],
                file=self._place.file,
                line=self._place.line,
                silent=silent,
            )


def printed(where: Print, operands: Value) -> None:
    """What the code of a policy calls."""
    where.say(operands)


def _texts(operand: Value) -> list[str]:
    if type(operand) is RegoSet:
        members = ordered(islice(operand.values(), MOST_OF_ONE))
        return [_text(member) for member in members] or ["<undefined>"]
    return [_text(operand)]


def _text(value: Value) -> str:
    text = value if type(value) is str else sprintf("%v", [value])
    return str(text)[:LONGEST]
