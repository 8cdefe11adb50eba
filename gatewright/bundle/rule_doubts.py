"""Rules of the WAF that work as written, and cannot have been meant so."""

from collections.abc import Iterator

from callout.config.problems import Problem
from gatewright.bundle.load import Loaded
from waf.config import FOLDER
from waf.inspection import Inspection


def rule_doubts(loaded: Loaded) -> Iterator[Problem]:
    """Those of the bundle's own rule files; nobody here can change those of rule sets."""
    told: set[Problem] = set()
    for effective in loaded.snapshot.policies.effective:
        inspection = effective.block("inspect")
        for each in inspection.rules.warnings if isinstance(inspection, Inspection) else ():
            if each.file.startswith(f"{FOLDER}/") and each not in told:
                told.add(each)
                yield each
    for policy in loaded.documents:
        source = policy.source.at("inspect", "request", "waf", "rules")
        if isinstance(source.value, list) and {"starter", "crs"} <= {*map(str, source.value)}:
            message = "`starter` and `crs` add up the same score: one attack counts twice"
            yield source.problem((), message, severity="warning")
