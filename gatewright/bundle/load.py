"""A directory becomes what workers can decide by: read, Rego compiled, checked."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from callout.config import documents
from callout.config.bundle import Bundle, read_directory
from callout.config.documents import Documents, Policy
from callout.config.problems import Rejected, in_order
from callout.config.section import Section
from callout.config.snapshot import Snapshot, compiled
from callout.config.uncollected import uncollected
from extauthz.decision_logs.log_rules import log_rules_wanted
from extauthz.plans import NO_PLAN, rego_wanted
from extauthz.policy.compiler.plans import compile_missing
from gatewright.bundle.inspected import rule_sets_of
from gatewright.bundle.sections import SECTIONS


class Loaded(NamedTuple):
    """A good bundle."""

    bundle: Bundle
    """With the plans of all its Rego: building it anew compiles nothing."""
    snapshot: Snapshot
    documents: Sequence[Policy]
    """What was read of it."""


def load(
    directory: Path,
    cache: Path,
    progress: Callable[[str], None],
    sections: Sequence[Section] = SECTIONS,
) -> Loaded | Rejected:
    """Reads a directory and checks it whole; see `check`."""
    read = read_directory(directory)
    return read if isinstance(read, Rejected) else check(read, cache, progress, sections)


def check(
    bundle: Bundle,
    cache: Path,
    progress: Callable[[str], None],
    sections: Sequence[Section] = SECTIONS,
) -> Loaded | Rejected:
    """Compiles a bundle's Rego and checks it whole, as `serve`, `up` and `check` all do.

    Args:
        bundle: the files.
        cache: where compiled plans, and the compiler itself, are kept between runs.
        progress: told in a sentence of what takes long.
        sections: what the settings make of them.

    Returns:
        All problems, if there is any error: those of the Rego and those of the policies.
    """
    with uncollected():
        found = _read(bundle)
        plans = _plans(bundle, found, cache, progress)
        rule_sets = rule_sets_of(
            [*(each.source for each in found.policies), *found.headless], cache
        )
        if isinstance(plans, Rejected):
            rest = compiled(Bundle({**bundle.files, **rule_sets}), found, sections)
            others = rest.problems if isinstance(rest, Rejected) else ()
            told = [each for each in others if not each.message.startswith(NO_PLAN)]
            return Rejected(in_order([*plans.problems, *told]))
        planned = Bundle({**bundle.files, **plans, **rule_sets})
        snapshot = compiled(planned, found, sections)
        if isinstance(snapshot, Rejected):
            return snapshot
        return Loaded(planned, snapshot, found.policies)


def plans_of(
    bundle: Bundle, cache: Path, progress: Callable[[str], None]
) -> Mapping[str, bytes] | Rejected:
    """The compiled plans of all Rego that some policy names, by their paths in the bundle.

    Problems of the policies themselves are not told here: `build` tells all of them.
    """
    return _plans(bundle, _read(bundle), cache, progress)


def _read(bundle: Bundle) -> Documents:
    return documents.read(bundle, [each.key for each in SECTIONS])


def _plans(
    bundle: Bundle, found: Documents, cache: Path, progress: Callable[[str], None]
) -> Mapping[str, bytes] | Rejected:
    wanted = rego_wanted([*(each.source for each in found.policies), *found.headless])
    wanted += log_rules_wanted(bundle, wanted)
    return compile_missing(bundle, wanted, cache, progress)
