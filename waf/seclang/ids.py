"""Ids of rules and ranges of them, as the directives that remove and update rules name them."""

import re
from typing import Final

from waf.seclang.report import Report
from waf.seclang.shown import shown

_ITEM: Final = re.compile(r"[^\s,]+", re.ASCII)
_RANGE: Final = re.compile(r"(?P<first>[0-9]{1,18})(?:-(?P<last>[0-9]{1,18}))?\Z")
HIGHEST: Final = 2**31 - 1
"""The highest id that all engines take."""


def parse_ids(text: str, report: Report) -> tuple[range, ...]:
    """`942100`, `942100-942199`, several with blanks or commas between them."""
    found = []
    for item in _ITEM.finditer(text):
        bounds = _RANGE.match(item.group())
        if bounds is None:
            report(
                item.start(),
                f"expected the id of a rule or a range `first-last`, found {shown(item.group())}",
            )
            continue
        first = int(bounds["first"])
        last = int(bounds["last"] or first)
        if last < first:
            report(item.start(), f"expected a range from low to high, found {shown(item.group())}")
            continue
        found.append(range(first, last + 1))
    if not text.strip(" ,\t"):
        report(0, "expected the id of a rule, found none")
    return tuple(found)


def id_of(text: str | None) -> int | None:
    """What `id:` says; None: it is no id."""
    number = (text or "").strip()
    if not (number.isascii() and number.isdigit() and len(number) <= 10):
        return None
    return int(number) if 1 <= int(number) <= HIGHEST else None
