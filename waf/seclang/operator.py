"""How a rule compares: `@rx ^GET$`, `!@within %{tx.allowed_methods}`, `^GET$`."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from callout.config.validate import suggest
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
        "geoLookup",
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
        "rsub",
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
REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fuzzyHash": "no fuzzy hashes are computed here",
        "gsbLookup": "the service that it asked is gone",
        "inspectFile": "no program is run for a request",
        "rbl": "no name server is asked while a request waits",
        "validateDTD": "no document types are read",
        "validateHash": "there is no hash engine",
        "validateSchema": "no schemas are read",
    }
)
"""Operators that the engine will not have, and why."""
_LOWER: Final = frozenset(each.lower() for each in OPERATORS)
_LOWER_REFUSED: Final = {each.lower(): each for each in REFUSED}


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
    if name in _LOWER:
        return OperatorCall(name, argument, negated)
    if name in _LOWER_REFUSED:
        known = _LOWER_REFUSED[name]
        report(offset, f"@{known} is not supported: {REFUSED[known]}")
    else:
        report(
            offset,
            f"expected the name of an operator after @, found {shown(written)}",
            suggest(written, OPERATORS),
        )
    return None
