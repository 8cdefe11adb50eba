"""What an evaluation remembers for its builtins: the same question has one answer."""

from collections.abc import Callable, Hashable
from typing import Any

from extauthz.policy.translator.runtime import KEPT
from extauthz.policy.values.representation import Value


def once(memo: dict[Any, Any], key: Hashable, make: Callable[[], Value]) -> Value:
    """The value that was made for `key` in this evaluation, or now."""
    kept: dict[Hashable, Value] = memo[KEPT]
    if key not in kept:
        kept[key] = make()
    return kept[key]
