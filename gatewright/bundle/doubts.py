"""What works as written, and yet cannot have been meant: for `check`, as it takes time to find."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from callout.config.documents import Mode, Policy
from callout.config.problems import Problem, in_order
from callout.config.source import Source
from extauthz.plans import rego_wanted
from extauthz.policy.compiler.plans import compiled_path, plan_key, rego_sources
from extauthz.policy.plan.reader import read_plan
from extauthz.policy.plan.verdicts import can_allow
from gatewright.bundle.load import Loaded
from gatewright.bundle.rule_doubts import rule_doubts
from gatewright.bundle.sections import SECTIONS
from ratelimit import lint
from ratelimit.config import FOLDER

_STRICTNESS: Final[Mapping[Mode, int]] = {"off": 0, "shadow": 1, "enforce": 2}


def doubts(loaded: Loaded) -> tuple[Problem, ...]:
    """All of them, as warnings, those that every loader tells too."""
    return in_order(
        [
            *loaded.snapshot.warnings,
            *_issuers_again(loaded),
            *_opened(loaded),
            *_never_allowing(loaded),
            *rule_doubts(loaded),
            *lint.doubts(loaded.bundle.under(FOLDER)),
        ]
    )


def _doubt(source: Source, path: tuple[str | int, ...], message: str) -> Problem:
    return source.problem(path, message, severity="warning")


def _never_allowing(loaded: Loaded) -> Iterator[Problem]:
    bundle = loaded.bundle
    judged: dict[str, bool] = {}
    for policy in loaded.documents:
        if (_written(policy.source, "auth", "mode") or _written(policy.source, "mode")) == "off":
            continue  # nobody asks it
        for folder, entrypoint, prints in rego_wanted([policy.source]):
            path = compiled_path(plan_key(rego_sources(bundle, folder), entrypoint, prints))
            plan = bundle.read(path)
            if plan is not None and path not in judged:
                judged[path] = can_allow(read_plan(plan), entrypoint)
            if not judged.get(path, True):
                yield _doubt(
                    policy.source,
                    ("auth", "decide", "entrypoint"),
                    f"no request can be allowed: `{entrypoint}` is never `true`, nor an object"
                    " whose `allowed` is",
                )


def _issuers_again(loaded: Loaded) -> Iterator[Problem]:
    for policy in loaded.documents:
        entries = policy.source.at("auth", "identity").value
        seen: set[str] = set()
        for index in range(len(entries) if isinstance(entries, list) else 0):
            issuer = policy.source.at("auth", "identity", index, "jwt", "issuer").value
            if isinstance(issuer, str):
                if issuer in seen:
                    yield _doubt(
                        policy.source,
                        ("auth", "identity", index, "jwt", "issuer"),
                        "never applies: an entry before it is asked about all tokens of this"
                        " issuer",
                    )
                seen.add(issuer)


def _opened(loaded: Loaded) -> Iterator[Problem]:
    """A policy says how strictly it is meant; a wider one's block says less, and that counts."""
    by_name = {policy.name: policy for policy in loaded.documents}
    for effective in loaded.snapshot.policies.effective:
        chain = [by_name[name] for name in effective.names]
        for key in (section.key for section in SECTIONS):
            of_block = _last(chain, key, "mode")
            of_policy = _last(chain, "mode")
            if of_block is None or of_policy is None or of_policy <= of_block:
                continue
            loose = _written(chain[of_block].source, key, "mode")
            strict = _written(chain[of_policy].source, "mode")
            if _STRICTNESS[loose] < _STRICTNESS[strict]:
                mark = chain[of_block].source.at(key, "mode").mark
                yield _doubt(
                    chain[of_policy].source,
                    ("mode",),
                    f"`{key}.mode: {loose}` of `{chain[of_block].name}` ({mark.file}:{mark.line})"
                    f" counts here, not `{strict}`: write `{key}: {{mode: {strict}}}`",
                )


def _last(chain: list[Policy], *path: str) -> int | None:
    """Which policy has the last word, if it is no `null`: the most specific one that says it."""
    for index in reversed(range(len(chain))):
        holder = chain[index].source.at(*path[:-1]).value
        if isinstance(holder, dict) and path[-1] in holder:
            return index if holder[path[-1]] is not None else None
    return None


def _written(source: Source, *path: str) -> Any:
    return source.at(*path).value
