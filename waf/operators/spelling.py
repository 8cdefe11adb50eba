r"""Escapes of PCRE that another engine spells otherwise, in regular expressions as bytes."""

import re
from collections.abc import Mapping
from typing import Final

_TOKEN: Final = re.compile(
    rb"\\x\{([0-9a-fA-F]+)\}|\\x([0-9a-fA-F])(?![0-9a-fA-F])|\\c([@-_a-z])|\\([\s\S])"
    rb"|\[:\^?[a-z]+:\]|(\[\^?\]?)|(\])"
)


def respell(
    expression: bytes, outside: Mapping[bytes, bytes], inside: Mapping[bytes, bytes]
) -> bytes:
    r"""Write `\x9`, `\x{9}` and `\cI` as `\x09`, and other escapes as the tables say.

    Args:
        expression: of PCRE; one with `\Q` is left as it is.
        outside: the byte after a backslash, and what stands for both outside of `[...]`.
        inside: likewise within `[...]`.
    """
    if b"\\" not in expression or b"\\Q" in expression:
        return expression
    in_class = False

    def spelled(match: re.Match[bytes]) -> bytes:
        nonlocal in_class
        braced, digit, control, escaped, opening, closing = match.groups()
        if opening:  # within a class a `[` is itself, and a `]` that follows it the end
            in_class = not in_class or not opening.endswith(b"]")
        elif closing:
            in_class = False
        elif escaped:
            return (inside if in_class else outside).get(escaped, match[0])
        elif braced or digit:
            code = int(braced or digit, 16)
            return rb"\x%02x" % code if code < 0x100 else match[0]
        elif control:
            return rb"\x%02x" % (control.upper()[0] ^ 0x40)
        return match[0]

    return _TOKEN.sub(spelled, expression)
