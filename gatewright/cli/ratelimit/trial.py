"""`gatewright ratelimit try [DIR]`: what a request would meet, and what would become of it."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from callout.config.bundle import read_directory
from callout.config.problems import Rejected
from callout.redis.connection import connection
from gatewright.bundle.load import Loaded, check, load
from gatewright.bundle.sections import sections
from gatewright.cli.folders import cache_folder, say
from gatewright.cli.ratelimit import told, written
from gatewright.cli.ratelimit.report import Places, Tried, exit_code, report
from gatewright.cli.settings import read_settings
from gatewright.run.er import as_bundle
from ratelimit.plan import Plan
from ratelimit.planner import Planner
from ratelimit.request import BadRequest
from ratelimit.stores.contract import Hit, StoreUnavailable
from ratelimit.stores.redis_store import RedisStore

HELP = "which limits a request meets, without counting; exit 0 within them, 1 over, 2 cannot ask"
_BAD: Final = 2
_REDIS_WITHIN: Final = 1.0
"""Seconds that the counters may take to answer: a person waits longer than Envoy does."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "directory", type=Path, nargs="?", metavar="DIR", help="the bundle; default: the settings'"
    )
    parser.add_argument(
        "--er-config",
        type=Path,
        metavar="DIR",
        help="instead of a bundle: a folder of envoyproxy/ratelimit files",
    )
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings of `serve`")
    parser.add_argument(
        "--redis", metavar="URL", help="the counters to look at; default: none, all are at 0"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    written.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints what would happen."""
    request = written.request_of(arguments)
    if isinstance(request, BadRequest):
        return _bad(request.reason)
    loaded = _loaded(arguments)
    if isinstance(loaded, Rejected):
        for each in loaded.problems:
            print(each, file=sys.stderr)
        return _BAD
    plan = Planner(loaded.snapshot, 1).plan(request)
    if not isinstance(plan, Plan):
        return _bad(plan.reason if isinstance(plan, BadRequest) else plan.message)
    now = time.time()
    hits = plan.hits(now) if plan.counted else ()
    try:
        before = asyncio.run(_counts(arguments.redis, hits, now)) if arguments.redis else {}
    except ValueError:
        return _bad("--redis: expected the URL of a Redis server")
    if isinstance(before, StoreUnavailable):
        return _bad(f"the counters are not available: {before.reason}")
    found = report(
        Tried(request, plan, hits, before, now), Places(loaded.snapshot, loaded.documents)
    )
    if arguments.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for line in told.lines(found):
            print(line)
    return exit_code(found)


def _bad(reason: str) -> int:
    print(f"gatewright: {reason}", file=sys.stderr)
    return _BAD


def _loaded(arguments: argparse.Namespace) -> Loaded | Rejected:
    if arguments.er_config is not None:
        read = read_directory(arguments.er_config)
        bundle = read if isinstance(read, Rejected) else as_bundle(read)
        return bundle if isinstance(bundle, Rejected) else check(bundle, cache_folder(), say)
    settings = read_settings(arguments.settings, {})
    if isinstance(settings, Rejected):
        return settings
    folder = arguments.directory or Path(settings.bundle)
    return load(folder, cache_folder(), say, sections(settings.limits))


async def _counts(
    url: str, hits: Sequence[Hit], now: float
) -> Mapping[bytes, int] | StoreUnavailable:
    """What the counters say; no hit is counted, no counter is made."""
    looks = [hit._replace(addend=0) for hit in {hit.key: hit for hit in hits}.values()]
    if not looks:
        return {}
    client = connection(url)
    await client.start()
    try:
        found = RedisStore(client).add(
            looks, now, time.monotonic() + _REDIS_WITHIN, lambda counts: counts
        )
        counts = await found if isinstance(found, asyncio.Future) else found
    finally:
        await client.close()
    if isinstance(counts, StoreUnavailable):
        return counts
    return {hit.key: count for hit, count in zip(looks, counts, strict=True)}
