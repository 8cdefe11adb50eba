"""Random numbers (v1/topdown/numbers.go)."""

import random
from typing import Any, Final

from extauthz.policy.builtins import operands
from extauthz.policy.builtins.memory import once
from extauthz.policy.values.representation import Value

_SOURCE: Final = random.SystemRandom()


def intn(memo: dict[Any, Any], key: Value, bound: Value) -> int:
    """`rand.intn(key, n)`: from 0 to before n, the same for the same operands in one evaluation."""
    name = operands.string(key, 1)
    most = abs(operands.machine_integer(bound, 2))
    if not most:
        return 0
    made: int = once(memo, ("rand.intn", name, most), lambda: _SOURCE.randrange(most))
    return made
