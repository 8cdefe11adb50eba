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
WARNED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "fuzzyHash": "no fuzzy hashes are computed here",
        "geoLookup": "no database of places is read here",
        "gsbLookup": "the service that it asked is gone",
        "rbl": "no name server is asked while a request waits",
    }
)
"""Operators that never match here, and why: CRS 3 has rules with two of them, off by default."""
REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "inspectFile": "no program is run for a request",
        "validateDTD": "no document types are read",
        "validateHash": "there is no hash engine",
        "validateSchema": "no schemas are read",
    }
)
"""Operators that the engine does not have, and why: not to match would leave a hole."""
_SPELLED: Final = {each.lower(): each for each in (*OPERATORS, *WARNED, *REFUSED)}


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
    spelled = _SPELLED.get(name)
    if spelled is None:
        report(
            offset,
            f"expected the name of an operator after @, found {shown(written)}",
            suggest(written, _SPELLED.values()),
        )
        return None
    if spelled in REFUSED:
        report(offset, f"@{spelled} is not supported: {REFUSED[spelled]}")
        return None
    if spelled in WARNED:
        report(offset, f"@{spelled} never matches here: {WARNED[spelled]}", severity="warning")
    return OperatorCall(name, argument, negated)
