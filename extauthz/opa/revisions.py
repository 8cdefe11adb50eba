"""Which of OPA's bundles a decision was made by."""

from collections.abc import Mapping

from extauthz.compiled import ByRego, CompiledAuth
from extauthz.policy.rego import RegoEngine


def revisions(auth: CompiledAuth | None) -> Mapping[str, Mapping[str, str]] | None:
    """Of each bundle its revision, as decision events tell it; None: a bundle of ours decided."""
    if auth is None or not auth.compat or not isinstance(auth.decider, ByRego):
        return None
    engine = auth.decider.engine
    system = engine.data.get("system") if isinstance(engine, RegoEngine) else None
    bundles = system.get("bundles") if isinstance(system, dict) else None
    if not isinstance(bundles, dict):
        return None
    found = {}
    for name, each in bundles.items():
        manifest = each.get("manifest") if isinstance(each, dict) else None
        revision = manifest.get("revision") if isinstance(manifest, dict) else None
        found[name] = {"revision": revision} if isinstance(revision, str) and revision else {}
    return found
