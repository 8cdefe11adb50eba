"""`gatewright waf explain [FILE]`: which rules a request meets, on which value, and the way out."""

import argparse
import base64
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from callout.config.problems import Rejected
from callout.observe.text import clean
from gatewright.cli.given import Unreadable, read_bounded
from gatewright.cli.waf import rules
from gatewright.cli.waf.evidence import Evidence, Witness
from gatewright.cli.waf.exchange import BadExchange, Exchange, judge, read
from waf.exclusion import exclusion
from waf.rules import RuleSet
from waf.scores import scores

HELP = "which rules a request meets, and what would silence them; exit 1 if it is refused"
_MOST: Final = 64 * 1024 * 1024
"""Bytes of a request."""
_SHOWN: Final = 200
"""Characters of a value."""
_BAD: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="a request as a line of `waf scan`; -: stdin"
    )
    parser.add_argument("--method", metavar="METHOD", help="instead of FILE; default: GET, or POST")
    parser.add_argument("--uri", metavar="URI", help="instead of FILE: path and query, as sent")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="as often as needed"
    )
    parser.add_argument("--body", metavar="TEXT", help="a form, unless a header says otherwise")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    rules.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints what the request meets."""
    try:
        exchange = _exchange(arguments)
    except (BadExchange, Unreadable) as bad:
        print(f"gatewright: {bad}", file=sys.stderr)
        return _BAD
    found = rules.rules_of(arguments)
    if isinstance(found, Rejected):
        for each in found.problems:
            print(each, file=sys.stderr)
        return _BAD
    told = _report(found, exchange)
    if arguments.json:
        print(json.dumps(told, indent=2))
    else:
        for line in _lines(told):
            print(line)
    return 1 if told["blocked"] else 0


def _exchange(arguments: argparse.Namespace) -> Exchange:
    if (arguments.file is None) == (arguments.uri is None):
        raise BadExchange("expected either a FILE or --uri")
    if arguments.file is not None:
        return read(read_bounded(arguments.file, _MOST))
    fields = []
    for text in arguments.header:
        name, colon, value = text.partition(":")
        if not colon:
            raise BadExchange(f"expected NAME:VALUE in --header, found {clean(text, 80)}")
        fields.append((name.strip(), value.strip()))
    names = {name.lower() for name, _ in fields}
    if "host" not in names:
        fields.insert(0, ("Host", "localhost"))
    body = (arguments.body or "").encode("utf-8", "surrogateescape")
    if arguments.body is not None:
        if "content-type" not in names:
            fields.append(("Content-Type", "application/x-www-form-urlencoded"))
        if "content-length" not in names:
            fields.append(("Content-Length", str(len(body))))
    return Exchange(
        method=arguments.method or ("GET" if arguments.body is None else "POST"),
        uri=arguments.uri,
        headers=fields,
        body_b64=base64.b64encode(body).decode(),
    )


def _report(found: RuleSet, exchange: Exchange) -> dict[str, Any]:
    witness = Witness(found)
    transaction, _ = judge(found, exchange, b"explain", watch=witness)
    inbound, outbound = scores(transaction.state.tx)
    decided = transaction.interruption or transaction.shadow
    return {
        "blocked": decided is not None,
        "status": None if decided is None else decided.status,
        "by": None if decided is None else decided.rule,
        "inbound": inbound,
        "outbound": outbound,
        "rules": [
            {
                "id": match.labels.id,
                "file": match.labels.file,
                "line": match.labels.line,
                "message": _text(match.message),
                "found": [_found(each) for each in witness.of(match.labels)],
                "exclusion": exclusion(
                    match.labels.id,
                    [each.found for each in witness.of(match.labels) if not each.link],
                ),
            }
            for match in transaction.matched
            if match.logged
        ],
    }


def _found(evidence: Evidence) -> dict[str, Any]:
    return {
        "name": _text(evidence.found.name),
        "value": _text(evidence.found.value),
        "sent": _text(evidence.sent),
        "changed": list(evidence.changed),
        "link": evidence.link,
    }


def _text(value: bytes) -> str:
    return clean(value[: 4 * _SHOWN].decode("utf-8", "backslashreplace"), _SHOWN)


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    verdict = "passes"
    if told["blocked"]:
        by = "a limit" if told["by"] is None else f"rule {told['by']}"
        verdict = f"refused with {told['status']} by {by}"
    yield f"{verdict} (score {told['inbound']} in, {told['outbound']} out)"
    for rule in told["rules"]:
        yield f"{rule['id']}  {rule['message']}"
        yield f"  {rule['file']}:{rule['line']}"
        for found in rule["found"]:
            also = "and " if found["link"] else ""
            yield f"  {also}{found['name']} is {found['value']}"
            if found["changed"]:
                yield f"    was {found['sent']} before {', '.join(found['changed'])}"
        if rule["exclusion"] is None:
            yield "  adds up what other rules found: exclude from those"
        else:
            yield f"  {rule['exclusion']}"
