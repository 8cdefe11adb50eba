"""`regex.template_match` (v1/topdown/regex_template.go): regular expressions between delimiters."""

import re

from extauthz.policy.builtins import operands, regular
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.representation import Value
from extauthz.policy.values.text import go_bytes, quoted


def template_match(template: Value, text: Value, start: Value, end: Value) -> bool:
    """`regex.template_match(template, text, start, end)`: the whole `text`, literal outside."""
    source, tested = operands.string(template, 1), operands.string(text, 2)
    first, last = operands.string(start, 3), operands.string(end, 4)
    for what, mark in (("start", first), ("end", last)):
        # Go counts bytes, and for both delimiters says how many the first has
        if len(go_bytes(mark)) != 1:
            count = len(go_bytes(first))
            raise BuiltinError(
                f"{what} delimiter has to be exactly one character long but is {count} long"
            )
    return regular.match(_expression(source, first, last), tested)


def _expression(template: str, start: str, end: str) -> str:
    parts = ["^"]
    level = begin = literal = 0
    for at, char in enumerate(template):
        if char == start:
            level += 1
            if level == 1:
                begin = at
        elif char == end:
            level -= 1
            if level < 0:
                break
            if level == 0:
                inner = template[begin + 1 : at]
                if not regular.is_valid(f"^{inner}$"):
                    raise BuiltinError(f"error parsing regexp: {inner[:80]!r}")
                parts.append(f"{_quoted(template[literal:begin])}({inner})")
                literal = at + 1
    if level:
        raise BuiltinError(f"unbalanced braces in {quoted(template)}")
    return "".join(parts) + _quoted(template[literal:]) + "$"


def _quoted(text: str) -> str:
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)
