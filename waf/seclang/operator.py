"""How a rule compares: `@rx ^GET$`, `!@within %{tx.allowed_methods}`, `^GET$`."""

import re
from typing import Final

from callout.config.validate import suggest
from waf.operators.refused import REFUSED
from waf.seclang.report import Report
from waf.seclang.shown import shown
from waf.seclang.syntax import OperatorCall

_BLANK: Final = " \t\r\n\f\v"
_BLANKS: Final = re.compile(r"\s+", re.ASCII)

OPERATORS: Final = frozenset(
    [
        "beginsWith",
        "contains",
        "containsWord",
        "detectSQLi",
        "detectXSS",
        "endsWith",
        "eq",
        "ge",
        "gt",
        "ipMatch",
        "ipMatchF",
        "ipMatchFromDataset",
        "ipMatchFromFile",
        "le",
        "lt",
        "noMatch",
        "pm",
        "pmFromDataset",
        "pmFromFile",
        "pmf",
        "restpath",
        "rx",
        "rxGlobal",
        "streq",
        "strmatch",
        "unconditionalMatch",
        "validateByteRange",
        "validateNid",
        "validateUrlEncoding",
        "validateUtf8Encoding",
        "verifyCC",
        "verifyCPF",
        "verifySSN",
        "verifySVNR",
        "within",
    ]
)
"""As they are spelled in the manuals; a rule may write them in any case."""
LOOKUPS: Final = frozenset(["geolookup", "gsblookup", "rbl"])
"""Of those that are refused, the ones that look an address up elsewhere. CRS 3 has rules with two
of them, off by default, so they are warned about and find nothing: `noMatch`."""
_NAMES: Final = frozenset(each.lower() for each in OPERATORS)


def parse_operator(text: str, report: Report) -> OperatorCall | None:
    """The operator of a rule; None when it is reported.

    Blanks around the name are not part of the argument, those at its end are: ModSecurity 2 and 3
    keep them, Coraza does not.
    """
    rest = text.lstrip(_BLANK)
    negated = rest.startswith("!")
    if negated:
        rest = rest[1:].lstrip(_BLANK)
    if not rest.startswith("@"):
        return OperatorCall("rx", rest, negated)
    written, *arguments = _BLANKS.split(rest[1:], maxsplit=1)
    argument = arguments[0] if arguments else ""
    name = written.lower()
    offset = len(text) - len(rest)
    if name in _NAMES:
        return OperatorCall(name, argument, negated)
    if name in LOOKUPS:
        report(offset, f"@{name} finds nothing here: it {REFUSED[name]}", severity="warning")
        return OperatorCall("nomatch", argument, negated)
    if name in REFUSED:
        report(offset, f"@{name} is not supported: it {REFUSED[name]}")
    else:
        message = f"expected the name of an operator after @, found {shown(written)}"
        report(offset, message, suggest(written, OPERATORS))
    return None
