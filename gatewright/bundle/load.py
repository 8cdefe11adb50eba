"""A directory becomes what workers can decide by: read, Rego compiled, checked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from extauthz.policy.compiler import compile_missing

from callout.config import documents
from callout.config.bundle import Bundle, read_directory
from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot, build
from extauthz.plans import rego_wanted
from gatewright.bundle.sections import SECTIONS


class Loaded(NamedTuple):
    """A good bundle."""

    bundle: Bundle
    """With the plans of all its Rego: building it anew compiles nothing."""
    snapshot: Snapshot


def load(directory: Path, cache: Path, progress: Callable[[str], None]) -> Loaded | Rejected:
    """Reads the bundle and checks it whole, as `serve`, `up` and `check` all do.

    Args:
        directory: the bundle.
        cache: where compiled plans, and the compiler itself, are kept between runs.
        progress: told in a sentence of what takes long.

    Returns:
        All problems, if there is any error.
    """
    read = read_directory(directory)
    if isinstance(read, Rejected):
        return read
    bundle = with_plans(read, cache, progress)
    if isinstance(bundle, Rejected):
        return bundle
    snapshot = build(bundle, SECTIONS)
    return snapshot if isinstance(snapshot, Rejected) else Loaded(bundle, snapshot)


def with_plans(bundle: Bundle, cache: Path, progress: Callable[[str], None]) -> Bundle | Rejected:
    """The bundle, and beside its files a plan for each Rego policy that brings none."""
    plans = plans_of(bundle, cache, progress)
    return plans if isinstance(plans, Rejected) else Bundle({**bundle.files, **plans})


def plans_of(
    bundle: Bundle, cache: Path, progress: Callable[[str], None]
) -> Mapping[str, bytes] | Rejected:
    """The compiled plans of all Rego that some policy names, by their paths in the bundle.

    Problems of the policies themselves are not told here: `build` tells all of them.
    """
    found = documents.read(bundle, [each.key for each in SECTIONS])
    return compile_missing(
        bundle, rego_wanted([each.source for each in found.policies]), cache, progress
    )
