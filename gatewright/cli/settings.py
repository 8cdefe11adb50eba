"""Settings of a command: the file that it names, the environment, its flags."""

import os
from collections.abc import Mapping
from pathlib import Path

from callout.config import settings
from callout.config.problems import Problem, Rejected


def read_settings(
    path: Path | None, flags: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> settings.Settings | Rejected:
    """Reads them once; see `callout.config.settings.load`."""
    content = None
    if path is not None:
        try:
            content = path.read_bytes()
        except OSError as error:
            message = f"expected a file with settings: {error.strerror}"
            return Rejected((Problem(str(path), 0, 0, "", message),))
    return settings.load(content, environ, flags, str(path or "gatewright.yaml"))
