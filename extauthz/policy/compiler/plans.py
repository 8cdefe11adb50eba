"""From Rego in a bundle to plans: which are wanted, which are there, who makes the others.

A plan is found, in this order: in the bundle (`gatewright build` put it there), in the operator's
cache, or made by OPA's own compiler in whatever form this machine has it (`compilers.WAYS`).
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected
from extauthz.policy.compiler.program import CompilerMissing, Progress
from extauthz.policy.compiler.ways import Request, choose

TESTS: Final = "_test.rego"
"""End of the names of files that are not part of a policy."""
_FORMAT: Final = b"plan 1"
"""Part of every key: a new one when plans of old keys must not be used any more."""


class RegoSource(NamedTuple):
    """What a policy names: a folder of the bundle and a rule in it."""

    folder: str
    """Relative to the bundle's root."""
    entrypoint: str
    """`package/rule`: `shop/allow`."""
    prints: bool = False
    """Whether its `print`s say something."""


def rego_sources(bundle: Bundle, folder: str) -> dict[str, bytes]:
    """The Rego files of a folder, without tests, by their paths in the bundle."""
    return {
        path: data
        for path, data in bundle.under(folder).items()
        if path.endswith(".rego") and not path.endswith(TESTS)
    }


def plan_key(sources: Mapping[str, bytes], entrypoint: str, prints: bool = False) -> str:
    """What a plan is kept under: a digest of all that it is made from."""
    digest = hashlib.sha256()
    form = _FORMAT + b" prints" if prints else _FORMAT
    for part in (form, entrypoint.encode(), *_parts(sources)):
        # lengths too, so that no two different inputs give the same bytes
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest()


def _parts(sources: Mapping[str, bytes]) -> list[bytes]:
    parts: list[bytes] = []
    for path in sorted(sources):
        parts += (path.encode("utf-8", "surrogateescape"), sources[path])
    return parts


def compiled_path(key: str) -> str:
    """Where a bundle keeps the plan of a key."""
    return f".compiled/{key}.json"


def compile_missing(
    bundle: Bundle,
    wanted: Sequence[RegoSource],
    cache: Path,
    progress: Callable[[str], None],
) -> Mapping[str, bytes] | Rejected:
    """The plans of all that is wanted, compiled where there is none yet.

    An edge: runs other processes, writes to `cache`; the first time of all it may build OPA's
    compiler, which takes a minute.

    Args:
        bundle: has the sources, and may have plans.
        wanted: what its policies name; folders without Rego are passed over (`extauthz.plans`
            has the problem, with the policy's line).
        cache: the operator's own folder: plans, and the compiler.
        progress: told in a sentence of what takes long.

    Returns:
        Plans by their paths in the bundle, those that it brought too; or OPA's errors.
    """
    plans: dict[str, bytes] = {}
    missing: dict[str, Request] = {}
    for folder, entrypoint, prints in dict.fromkeys(wanted):
        sources = rego_sources(bundle, folder)
        path = compiled_path(plan_key(sources, entrypoint, prints))
        if not sources:
            continue
        plan = bundle.read(path) or _read(cache / "plans" / Path(path).name)
        if plan is not None:
            plans[path] = plan
        else:
            missing[path] = Request(sources, entrypoint, folder, prints)
    if not missing:
        return plans
    made = _compile(list(missing.values()), cache, progress)
    if isinstance(made, Rejected):
        return made
    for path, plan in zip(missing, made, strict=True):
        write_atomically(cache / "plans" / Path(path).name, plan)
        plans[path] = plan
    return plans


def _compile(requests: list[Request], cache: Path, progress: Progress) -> list[bytes] | Rejected:
    try:
        answers = choose(cache, progress)(requests)
    except CompilerMissing as missing:
        return Rejected((Problem(requests[0].folder, 0, 0, "", str(missing)),))
    plans: list[bytes] = []
    problems: list[Problem] = []
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, bytes):
            plans.append(answer)
            continue
        problems += [
            Problem(each.file or request.folder, each.line, each.column, "", each.message)
            for each in answer
        ]
    return Rejected(tuple(dict.fromkeys(problems))) if problems else plans


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that whoever reads it sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".fresh-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
