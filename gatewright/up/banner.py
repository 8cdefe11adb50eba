"""What `gatewright up` says when all of it is ready."""

import json
from collections.abc import Sequence

from gatewright.up.trial import Trial


def as_text(gateway: str, admin: str, envoy_admin: str, trials: Sequence[Trial]) -> str:
    """For people."""
    lines = [
        "",
        f"  The gateway is at   {gateway}",
        f"  Gatewright's admin  {admin}/metrics  /readyz  /config",
        f"  Envoy's admin       {envoy_admin}",
        "",
    ]
    if trials:
        lines.append("  Try, in another terminal:")
    for trial in trials:
        lines += ["", f"  # {trial.name}: {trial.explains} -> {trial.status}", f"  {trial.command}"]
    lines += ["", "  Decisions, as they happen (Ctrl-C stops everything):", ""]
    return "\n".join(lines)


def as_json(gateway: str, admin: str, envoy_admin: str, trials: Sequence[Trial]) -> str:
    """For programs: one line."""
    return json.dumps(
        {
            "kind": "ready",
            "gateway": gateway,
            "admin": admin,
            "envoy_admin": envoy_admin,
            "try": [
                {"name": each.name, "command": each.command, "status": each.status}
                for each in trials
            ],
        }
    )
