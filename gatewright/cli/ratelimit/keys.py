"""`gatewright ratelimit keys COUNTER...`: what counters in Redis say; sets them back.

`keys --hot`: which of them are asked about most.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from callout.config.problems import Rejected
from callout.observe.debug.hottest import MOST, SHOWN
from callout.redis.connection import connection
from callout.redis.outcome import Unavailable
from callout.redis.pipeline import ErrorReply, Replies, pack
from gatewright.bundle.sections import er_names
from gatewright.cli.er_config import read_er_settings
from gatewright.cli.ratelimit import hot
from gatewright.cli.ratelimit.states import kind_of, said
from gatewright.cli.settings import read_settings
from ratelimit.keys import COUNTERS, is_counter

HELP = "what counters in Redis say, or set them back; exit 0 all there, 1 some not, 2 cannot ask"
_BAD: Final = 2
_WITHIN: Final = 1.0
"""Seconds that Redis may take to answer."""
_BEGIN: Final = ", ".join(f"`{each.decode()}`" for each in COUNTERS)
_MOST: Final = 1000
"""Counters of one call: it is one write, that serving shares Redis with."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "counters", nargs="*", metavar="COUNTER", help="names as `ratelimit try` tells them"
    )
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings of `serve`")
    parser.add_argument(
        "--er-config",
        action="store_true",
        help="counters of `serve --er-config`, by its environment",
    )
    parser.add_argument("--redis", metavar="URL", help="default: the settings'")
    parser.add_argument("--reset", action="store_true", help="forget what they counted")
    parser.add_argument(
        "--hot",
        type=int,
        nargs="?",
        const=SHOWN,
        metavar="N",
        help=f"instead: the N counters that a running service is asked about most; default {SHOWN}",
    )
    parser.add_argument("--admin", metavar="ADDRESS", help="where it is asked; the settings'")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")


def run(arguments: argparse.Namespace) -> int:
    """Prints each counter as it was, or the hottest."""
    if arguments.hot is not None:
        return _hottest(arguments)
    if not arguments.counters:
        return _bad("expected the names of counters, or --hot")
    names = [each.encode("utf-8", "surrogateescape") for each in arguments.counters]
    read = read_er_settings if arguments.er_config else read_settings
    settings = read(arguments.settings, {"redis": arguments.redis})
    if isinstance(settings, Rejected):
        for each in settings.problems:
            print(each, file=sys.stderr)
        return _BAD
    # What is no counter of ours is nothing that this command may delete.
    er = er_names(settings.limits)
    if len(names) > _MOST or not all(is_counter(each, er) for each in names):
        or_er = f", or `{er.prefix.decode()}` and end in `_` and a second" if er else ""
        return _bad(f"expected at most {_MOST} names that begin with {_BEGIN}{or_er}")
    if settings.redis is None:
        return _bad("expected --redis: counters in memory are the serving process's own")
    found = asyncio.run(_asked(settings.redis, names, arguments.reset))
    if isinstance(found, Unavailable):
        return _bad(f"the counters are not available: {found.reason}")
    rows = [_row(name, *found[index : index + 2]) for name, index in _numbered(names)]
    if arguments.json:
        print(json.dumps({"reset": arguments.reset, "counters": rows}, indent=2))
    else:
        for row in rows:
            print(_line(row, arguments.reset))
    return 0 if all(row["there"] for row in rows) else 1


def _hottest(arguments: argparse.Namespace) -> int:
    if arguments.counters or arguments.reset or arguments.redis or not 1 <= arguments.hot <= MOST:
        return _bad(f"expected --hot alone, of 1 to {MOST}")
    read = read_er_settings if arguments.er_config else read_settings
    settings = read(arguments.settings, {"admin": arguments.admin})
    if isinstance(settings, Rejected):
        for each in settings.problems:
            print(each, file=sys.stderr)
        return _BAD
    try:
        told = hot.ask(settings, arguments.hot)
    except hot.Unanswered as error:
        return _bad(str(error))
    print(json.dumps(told, indent=2) if arguments.json else "\n".join(hot.lines(told)))
    return 0


def _bad(reason: str) -> int:
    print(f"gatewright: {reason}", file=sys.stderr)
    return _BAD


def _numbered(names: Sequence[bytes]) -> list[tuple[bytes, int]]:
    return [(name, 2 * index) for index, name in enumerate(names)]


async def _asked(url: str, names: Sequence[bytes], reset: bool) -> Replies | Unavailable:
    """The value and the rest of its time of each."""
    commands = [pack(command, name) for name in names for command in (b"GET", b"TTL")]
    if reset:
        commands += [pack(b"DEL", name) for name in names]
    client = connection(url)
    await client.start()
    try:
        found = client.send(commands, time.monotonic() + _WITHIN, lambda outcome: outcome)
        return await found if isinstance(found, asyncio.Future) else found
    finally:
        await client.close()


def _row(name: bytes, value: object, rest: object) -> dict[str, Any]:
    """A counter of another algorithm than the fixed window has no number, but words."""
    there = value is not None
    kind = kind_of(name)
    count = int(value) if isinstance(value, bytes) and value.isdigit() else None
    return {
        "counter": name.decode(errors="backslashreplace"),
        "there": there,
        "count": count if not isinstance(value, ErrorReply) else None,
        "says": said(kind, value) if there and kind is not None else None,
        "expires": rest if isinstance(rest, int) and rest >= 0 else None,
    }


def _line(row: dict[str, Any], reset: bool) -> str:
    if not row["there"]:
        return f"{row['counter']}  not there: nothing was counted, or its window ended"
    count = "of another kind" if row["count"] is None else row["count"]
    count = row["says"] or count
    expires = "" if row["expires"] is None else f", kept for {row['expires']} s"
    return f"{row['counter']}  {count}{', was reset' if reset else expires}"
