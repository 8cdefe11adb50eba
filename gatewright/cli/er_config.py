"""`--er-config`: settings and limits as `serve --er-config` has them."""

import os
from collections.abc import Mapping
from pathlib import Path

from callout.config.bundle import read_directory
from callout.config.limits_settings import Limits
from callout.config.problems import Rejected
from callout.config.settings import Settings
from gatewright.bundle.load import Loaded, check
from gatewright.bundle.sections import sections
from gatewright.cli.folders import cache_folder, say
from gatewright.cli.settings import read_settings
from gatewright.run.er.environment import read
from gatewright.run.er.flag import ErRatelimit, as_bundle


def read_er_settings(path: Path | None, flags: Mapping[str, object]) -> Settings | Rejected:
    """See `read_settings`: by envoyproxy/ratelimit's environment, too."""
    environment = read(os.environ)
    if isinstance(environment, Rejected):
        return environment
    er = ErRatelimit(None, environment)
    return er.settings(read_settings(path, flags, er.environ(os.environ)))


def load_er(folder: Path, limits: Limits) -> Loaded | Rejected:
    """That service's folder of files, checked as a bundle of limits alone."""
    files = read_directory(folder)
    bundle = files if isinstance(files, Rejected) else as_bundle(files)
    if isinstance(bundle, Rejected):
        return bundle
    return check(bundle, cache_folder(), say, sections(limits))
