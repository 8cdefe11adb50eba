"""Settings as `serve --er-config` has them: by envoyproxy/ratelimit's environment, too."""

import os
from collections.abc import Mapping
from pathlib import Path

from callout.config.problems import Rejected
from callout.config.settings import Settings
from gatewright.cli.settings import read_settings
from gatewright.run.er.environment import read
from gatewright.run.er.flag import ErRatelimit


def read_er_settings(path: Path | None, flags: Mapping[str, object]) -> Settings | Rejected:
    """See `read_settings`."""
    environment = read(os.environ)
    if isinstance(environment, Rejected):
        return environment
    er = ErRatelimit(None, environment)
    return er.settings(read_settings(path, flags, er.environ(os.environ)))
