"""`gatewright serve`: for production; Envoy is elsewhere."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from callout.config.problems import Rejected
from callout.config.settings import FLAGS, Settings
from callout.observe import logs
from gatewright.cli.folders import cache_folder, say
from gatewright.cli.reread import SettingsFile
from gatewright.cli.settings import read_settings
from gatewright.run.service import Service, StartFailed
from gatewright.run.signals import INTERRUPTED, Signals

HELP = "answer Envoy's authorization and rate limit calls until SIGTERM"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags; they win over the environment, which wins over the file."""
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings as YAML")
    for name, path in FLAGS.items():
        parser.add_argument(f"--{name}", metavar="VALUE", help=f"the setting {'.'.join(path)}")


def run(arguments: argparse.Namespace) -> int:
    """Serves; 0 after a clean stop, 1 when it could not start, 130 when it was cut short."""
    given = {name: getattr(arguments, name) for name in FLAGS}
    settings = read_settings(arguments.settings, given)
    if isinstance(settings, Rejected):
        for each in settings.problems:
            print(each, file=sys.stderr)
        return 1
    logs.configure(settings.telemetry.log, settings.telemetry.level, sys.stderr)
    return asyncio.run(_serve(settings, arguments.settings, given))


async def _serve(settings: Settings, file: Path | None, given: Mapping[str, object]) -> int:
    signals = Signals()
    service = Service(settings, cache_folder(), say)
    changing = SettingsFile(
        file,
        settings,
        lambda: read_settings(file, given),
        lambda new: service.set_level(new.telemetry.level),
    )
    try:
        await service.start()
    except StartFailed as failed:
        print(f"gatewright: {failed}", file=sys.stderr)
        return 1

    def reload() -> None:
        changing.read_again()
        service.reload()

    signals.on_reload(reload)
    following = asyncio.create_task(changing.run())
    await signals.stop()
    following.cancel()
    status = 0

    def hurry() -> None:
        nonlocal status
        status = INTERRUPTED
        service.hurry()

    signals.on_second(hurry)
    await service.stop()
    return status
