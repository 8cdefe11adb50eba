"""The rule sets that the policies of a bundle name, as files of the bundle.

Whoever checks a bundle reads them, once; workers are given them with it, as they are given compiled
Rego. So all of them judge by the same rules, and what cannot be loaded replaces nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from callout.config.source import Source
from gatewright.bundle import rule_sets
from gatewright.cli.folders import gateway_config
from waf.packed import ENGINE, named, packed
from waf.rule_files import RuleFiles


def rule_sets_of(policies: Iterable[Source], cache: Path) -> Mapping[str, bytes]:
    """Their files by path; nothing if no policy inspects anything.

    Args:
        policies: documents as written.
        cache: where rule sets are that were added.
    """
    inspecting = [each for each in policies if each.at("inspect").value is not None]
    if not inspecting:
        return {}
    shipped = gateway_config() / "waf"
    known: Mapping[str, Callable[[], RuleFiles | None]] = {
        "starter": lambda: rule_sets.starter(shipped),
        "crs": lambda: rule_sets.crs(cache),
    }
    files = packed(ENGINE, rule_sets.base(shipped))
    for name in sorted(named(inspecting) & known.keys()):
        found = known[name]()
        if found is not None:
            files |= packed(name, found)
    return files
