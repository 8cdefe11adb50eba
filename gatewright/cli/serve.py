"""`gatewright serve`: for production; Envoy is elsewhere."""

import argparse
import asyncio
import functools
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from callout.config.problems import Problem, Rejected
from callout.config.settings import FLAGS, Settings
from callout.observe import logs
from gatewright.cli.folders import cache_folder, say
from gatewright.cli.reread import SettingsFile
from gatewright.cli.settings import read_settings
from gatewright.run import handover, systemd
from gatewright.run.er.flag import FROM_ENVIRONMENT, XDS_ALONE, ErRatelimit, read_er
from gatewright.run.feed import MakeFeed
from gatewright.run.handover import Inheritance
from gatewright.run.opa_envoy import OpaEnvoy, read_opa_envoy
from gatewright.run.restart import Restart
from gatewright.run.service import Service, StartFailed
from gatewright.run.signals import INTERRUPTED, Signals

_log = structlog.get_logger("gatewright.settings")

HELP = "answer Envoy's authorization and rate limit calls until SIGTERM"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags; they win over the environment, which wins over the file."""
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings as YAML")
    parser.add_argument(
        "--opa-envoy-config",
        type=Path,
        metavar="FILE",
        help="opa-envoy-plugin's configuration; its bundles decide instead of a bundle of ours",
    )
    parser.add_argument(
        "--er-config",
        nargs="?",
        const=FROM_ENVIRONMENT,
        metavar="DIR",
        help="envoyproxy/ratelimit's folder of limits, and its environment, instead of a bundle of "
        "ours; without DIR that of RUNTIME_ROOT",
    )
    for name, path in FLAGS.items():
        parser.add_argument(f"--{name}", metavar="VALUE", help=f"the setting {'.'.join(path)}")


def run(arguments: argparse.Namespace) -> int:
    """Serves; 0 after a clean stop, 1 when it could not start, 130 when it was cut short."""
    given = {name: getattr(arguments, name) for name in FLAGS}
    try:
        inheritance = handover.received()
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        print(f"gatewright: cannot take over: {error}", file=sys.stderr)
        return 1
    replaced = _replaced(arguments, given)

    def read() -> Settings | Rejected:
        if isinstance(replaced, Rejected):
            return replaced
        if isinstance(replaced, ErRatelimit):
            environ = replaced.environ(os.environ)
            return replaced.settings(read_settings(arguments.settings, given, environ))
        found = read_settings(arguments.settings, given)
        if isinstance(found, Rejected) or replaced is None:
            return found
        return Rejected((XDS_ALONE,)) if found.xds is not None else replaced.settings(found)

    settings = read()
    if isinstance(settings, Rejected):
        for each in settings.problems:
            print(each, file=sys.stderr)
        if inheritance is not None:
            inheritance.decline("; ".join(map(str, settings.problems)))
        return 1
    logs.configure(settings.telemetry.log, settings.telemetry.level, sys.stderr)
    feed: MakeFeed | None = None
    if isinstance(replaced, OpaEnvoy):
        feed = replaced.feed
        for each in replaced.warnings:
            _log.warning("configuration", problem=str(each))
    elif isinstance(replaced, ErRatelimit):
        feed = functools.partial(replaced.feed, settings)
        for each in replaced.warnings(settings):
            _log.warning("configuration", problem=str(each))
    er = isinstance(replaced, ErRatelimit)
    return asyncio.run(_serve(settings, arguments.settings, read, inheritance, feed, er))


def _replaced(
    arguments: argparse.Namespace, given: Mapping[str, object]
) -> OpaEnvoy | ErRatelimit | Rejected | None:
    """What is run by instead of a bundle of ours; None: by one of ours."""
    if arguments.er_config is None:
        if arguments.opa_envoy_config is None:
            return None
        return read_opa_envoy(arguments.opa_envoy_config, os.environ, given)
    if arguments.opa_envoy_config is not None:
        message = "expected nothing beside --er-config"
        return Rejected((Problem("--opa-envoy-config", 0, 0, "", message),))
    return read_er(arguments.er_config, os.environ, given)


async def _serve(
    settings: Settings,
    file: Path | None,
    read: Callable[[], Settings | Rejected],
    inheritance: Inheritance | None,
    feed: MakeFeed | None,
    er: bool,
) -> int:
    signals = Signals()
    service = Service(
        settings, cache_folder(), say, inheritance=inheritance, feed=feed, er_debug=er
    )
    changing = SettingsFile(
        file,
        settings,
        read,
        lambda new: service.set_level(new.telemetry.level),
    )
    restart = Restart(service.heritage, service.counts)
    signals.on_restart(restart.begin)

    def reload() -> None:
        changing.read_again()
        service.reload()

    signals.on_reload(reload)
    try:
        await service.start()
        if not await _first(service.take_over(), signals.stop()):
            raise StartFailed("it was asked to stop")
    except StartFailed as failed:
        print(f"gatewright: {failed}", file=sys.stderr)
        if inheritance is not None:
            await service.stop()
            inheritance.decline(str(failed))
        return 1

    following = asyncio.create_task(changing.run())
    systemd.notify("READY=1")
    succeeded = await _first(restart.succeeded(), signals.stop())
    following.cancel()
    if not succeeded:
        await restart.cancel()
        systemd.notify("STOPPING=1")
    status = 0

    def hurry() -> None:
        nonlocal status
        status = INTERRUPTED
        service.hurry()

    signals.on_second(hurry)
    await service.stop(succeeded)
    return status


async def _first(one: Coroutine[Any, Any, None], other: Coroutine[Any, Any, None]) -> bool:
    """Waits for either; whether it was the first of them. What that raises is raised."""
    tasks = [asyncio.ensure_future(each) for each in (one, other)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for each in tasks:
        each.cancel()
    if tasks[0].done():
        tasks[0].result()
    return tasks[0].done()
