"""Which tags or messages SecRuleRemoveByTag and its like mean."""

import re
from collections.abc import Callable
from typing import Any, Final

import re2

_PLAIN: Final = re.compile(r"[^\\^$*+?()\[\]{}|]*\Z")


def label_test(text: str) -> Callable[[str], bool]:
    """Whether a tag or a message is meant.

    A text without the marks of a regular expression is the whole of it, as in ModSecurity 3 and
    Coraza; with them it may match anywhere, as in ModSecurity 2.

    Raises:
        ValueError: a regular expression that RE2 does not take.
    """
    if _PLAIN.match(text):
        return text.__eq__
    options = re2.Options()
    options.log_errors = False
    try:
        pattern: Any = re2.compile(text.encode("utf-8", "surrogateescape"), options)
    except re2.error:
        raise ValueError("expected a text or a regular expression (RE2)") from None
    # The search asks it to be valid UTF-8; what is not cannot be meant by a pattern.
    return lambda label: pattern.search(label.encode("utf-8", "surrogateescape")) is not None
