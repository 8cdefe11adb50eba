"""The block `auth.cache` of a Policy: checked, and put together with what is to be remembered."""

from callout.config.problems import Problem
from callout.config.source import Source
from extauthz import models
from extauthz.cache.rules import CacheRules, of_rego, of_server
from extauthz.policy.plan.recording import Path, Read


def cache_rules(
    model: models.Auth,
    recorded: tuple[Read, ...] | None,
    source: Source,
    problems: list[Problem],
) -> CacheRules | None:
    """Compile it; None: nothing is remembered.

    Args:
        model: the `auth` block.
        recorded: what its Rego may read (`RegoEngine.recorded`); None: it is not Rego of ours.
        source: the place of the `auth` block, for problems.
        problems: get what is wrong.
    """
    written = model.cache
    if written is None:
        return None
    if recorded is not None:
        return of_rego(written.ttl, written.deny_ttl, recorded)
    if not isinstance(model.decide, models.Opa) or written.opa_ignore is None:
        return None
    ignored = []
    for index, pointer in enumerate(written.opa_ignore):
        path = _path(pointer)
        if path is None:
            problems.append(
                source.problem(
                    ("cache", "opaIgnore", index),
                    "expected a JSON pointer such as `/attributes/request/time`, "
                    f"found `{pointer}`",
                )
            )
        else:
            ignored.append(path)
    return of_server(written.ttl, written.deny_ttl, ignored)


def _path(pointer: str) -> Path | None:
    """RFC 6901; None: it is none, or points at the whole."""
    if not pointer.startswith("/"):
        return None
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))
