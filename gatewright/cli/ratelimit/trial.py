"""`gatewright ratelimit try [DIR]`: what a request would meet, and what would become of it."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from callout.config.limits_settings import Limits
from callout.config.problems import Rejected
from callout.config.settings import Settings
from callout.redis.connection import connection
from gatewright.bundle.load import Loaded, load
from gatewright.bundle.sections import sections
from gatewright.cli.er_config import load_er, read_er_settings
from gatewright.cli.folders import cache_folder, say
from gatewright.cli.ratelimit import told, written
from gatewright.cli.ratelimit.looks import Looked, plain, undivided
from gatewright.cli.ratelimit.report import Places, Tried, exit_code, report
from gatewright.cli.settings import read_settings
from gatewright.run.options import modes
from ratelimit.algorithms.contract import Verdict
from ratelimit.algorithms.decision import Use
from ratelimit.plan import Plan
from ratelimit.planner import Planner
from ratelimit.request import BadRequest
from ratelimit.retries.request_id import without_id
from ratelimit.stores.contract import Hit, StoreUnavailable
from ratelimit.stores.memory_states import MemoryStates
from ratelimit.stores.redis_scripts.states import RedisStates
from ratelimit.stores.redis_store import RedisStore
from ratelimit.stores.states import StateStore

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
    settings = _settings(arguments)
    if isinstance(settings, Rejected):
        return _rejected(settings)
    loaded = _loaded(arguments, settings)
    if isinstance(loaded, Rejected):
        return _rejected(loaded)
    if settings.limits.retries is not None:
        request, _ = without_id(request, settings.limits.retries.by)
    plan = Planner(loaded.snapshot, 1, modes(settings.limits)).plan(request)
    if not isinstance(plan, Plan):
        return _bad(plan.reason if isinstance(plan, BadRequest) else plan.message)
    now = time.time()
    try:
        looked = asyncio.run(_looked(arguments.redis, plan, now, settings.limits))
    except ValueError:
        return _bad("--redis: expected the URL of a Redis server")
    if isinstance(looked, StoreUnavailable):
        return _bad(f"the counters are not available: {looked.reason}")
    if settings.limits.shadow and looked.answer.over:
        looked = looked._replace(answer=looked.answer._replace(over=False, shadow=True))
    found = report(Tried(request, plan, looked), Places(loaded.snapshot, loaded.documents))
    if arguments.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for line in told.lines(found):
            print(line)
    return exit_code(found)


def _rejected(found: Rejected) -> int:
    for each in found.problems:
        print(each, file=sys.stderr)
    return _BAD


def _bad(reason: str) -> int:
    print(f"gatewright: {reason}", file=sys.stderr)
    return _BAD


def _settings(arguments: argparse.Namespace) -> Settings | Rejected:
    if arguments.er_config is not None:
        return read_er_settings(arguments.settings, {})
    return read_settings(arguments.settings, {})


def _loaded(arguments: argparse.Namespace, settings: Settings) -> Loaded | Rejected:
    if arguments.er_config is not None:
        return load_er(arguments.er_config, settings.limits)
    folder = arguments.directory or Path(settings.bundle)
    return load(folder, cache_folder(), say, sections(settings.limits))


async def _looked(
    url: str | None, plan: Plan, now: float, limits: Limits
) -> Looked | StoreUnavailable:
    """What the counters say; no hit is counted, no counter is made."""
    spares = limits.stop_when_over and not limits.shadow
    apart = partial(plain, plan, now, stop_when_over=spares)
    if not plan.counted:
        return apart({})
    if url is None:
        if not plan.undivided:
            return apart({})
        left = await _left(MemoryStates(), plan.uses(now), now)
        return left if isinstance(left, StoreUnavailable) else undivided(plan, plan.uses(now), left)
    client = connection(url)
    await client.start()
    try:
        if plan.undivided:
            left = await _left(RedisStates(client), plan.uses(now), now)
        else:
            counts = await _counts(RedisStore(client), plan.hits(now), now)
    finally:
        await client.close()
    if plan.undivided:
        return left if isinstance(left, StoreUnavailable) else undivided(plan, plan.uses(now), left)
    return counts if isinstance(counts, StoreUnavailable) else apart(counts)


async def _counts(
    store: RedisStore, hits: Sequence[Hit], now: float
) -> Mapping[bytes, int] | StoreUnavailable:
    """What plain counters say, by their names."""
    looks = [hit._replace(addend=0) for hit in {hit.key: hit for hit in hits}.values()]
    found = store.add(looks, now, time.monotonic() + _REDIS_WITHIN, lambda counts: counts)
    counts = await found if isinstance(found, asyncio.Future) else found
    if isinstance(counts, StoreUnavailable):
        return counts
    return {hit.key: count for hit, count in zip(looks, counts, strict=True)}


async def _left(
    states: StateStore, uses: Sequence[Use], now: float
) -> Mapping[bytes, Verdict] | StoreUnavailable:
    """What remains of each counter, by its name; one by one, for a Cluster has them anywhere."""
    left = {}
    for use in uses:
        look = Use(use.key, use.algorithm, 0)
        until = time.monotonic() + _REDIS_WITHIN
        found = states.use([look], False, now, until, lambda said: said)
        said = await found if isinstance(found, asyncio.Future) else found
        if isinstance(said, StoreUnavailable):
            return said
        (left[use.key],) = said
    return left
