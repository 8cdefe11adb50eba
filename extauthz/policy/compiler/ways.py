"""OPA's compiler in the forms in which a machine may have it; each runs in another process.

In the order of `WAYS`: a native `opa` on the path; our program around OPA's compiler
(`program`) as WebAssembly that came with the package or was built before; and the
same built now, once, by Go. All of them are OPA's own code, and their plans give the same answers.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from extauthz.policy.compiler import program
from extauthz.policy.compiler.program import SECONDS, Ask, CompilerMissing, Progress
from extauthz.policy.problems import PlanProblem

_USABLE: Final = re.compile(r"^Version: 1\.", re.MULTILINE)
"""What `opa version` says: Rego v1 is the language of 1.x; 0.x reads it otherwise."""


class Request(NamedTuple):
    """One policy to compile."""

    sources: Mapping[str, bytes]
    """By path, as errors shall name it."""
    entrypoint: str
    folder: str
    """Names the policy in errors that have no file."""
    prints: bool = False
    """Whether `print` must stay in the plan. `opa build` leaves it there in any case, for the
    translator to drop."""


Answer: TypeAlias = bytes | tuple[PlanProblem, ...]
"""The plan, or why there is none."""
Compile: TypeAlias = Callable[[Sequence[Request]], list[Answer]]


def choose(cache: Path, progress: Progress) -> Compile:
    """The first of `WAYS` that this machine has.

    Raises:
        CompilerMissing: none.
    """
    for way in WAYS:
        found = way(cache, progress)
        if found is not None:
            return found
    raise CompilerMissing(
        "this Rego must be compiled, and OPA's compiler is not here: put `opa` 1.x or `go` on the"
        " path, or run `gatewright build` where one is"
    )


def native_opa(_cache: Path, _progress: Progress) -> Compile | None:
    """`opa build`, if a usable `opa` is on the path."""
    opa = shutil.which("opa")
    if opa is None:
        return None
    try:
        version = program.run([opa, "version"]).stdout.decode(errors="replace")
    except CompilerMissing:
        return None
    return with_opa(opa) if _USABLE.search(version) else None


def with_opa(opa: str | Path) -> Compile:
    """`opa build` with an `opa` 1.x."""
    return lambda requests: [_opa_build(str(opa), request) for request in requests]


def kept_program(cache: Path, _progress: Progress) -> Compile | None:
    """Our program around OPA's compiler, as the package brings it or as it was built before."""
    ask = program.kept(cache)
    return None if ask is None else with_program(ask)


def built_program(cache: Path, progress: Progress) -> Compile | None:
    """The same, built now."""
    ask = program.built(cache, progress)
    return None if ask is None else with_program(ask)


WAYS: Final[tuple[Callable[[Path, Progress], Compile | None], ...]] = (
    native_opa,
    kept_program,
    built_program,
)


def with_program(ask: Ask) -> Compile:
    """Our program around OPA's compiler."""

    def compile_all(requests: Sequence[Request]) -> list[Answer]:
        answers: list[Answer | None] = [_not_text(request) for request in requests]
        asked = [r for r, answer in zip(requests, answers, strict=True) if answer is None]
        wanted = [
            {
                "command": "compile",
                "sources": _texts(r),
                "entrypoints": [r.entrypoint],
                "prints": r.prints,
            }
            for r in asked
        ]
        replies = iter(ask(wanted))
        return [_answer(next(replies)) if answer is None else answer for answer in answers]

    return compile_all


def _texts(request: Request) -> dict[str, str]:
    return {path: data.decode() for path, data in request.sources.items()}


def _not_text(request: Request) -> tuple[PlanProblem, ...] | None:
    problems = []
    for path, data in request.sources.items():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problems.append(PlanProblem(path, line, 1, "expected UTF-8"))
    return tuple(problems) or None


def _answer(reply: dict[str, Any]) -> Answer:
    plan = reply.get("plan")
    if plan is not None:
        return json.dumps(plan, ensure_ascii=False, separators=(",", ":")).encode()
    return tuple(
        PlanProblem(each["file"], each["row"], each["col"], each["message"])
        for each in reply["errors"]
    )


def _opa_build(opa: str, request: Request) -> Answer:
    wrong = _not_text(request)
    if wrong is not None:
        return wrong
    with tempfile.TemporaryDirectory() as folder:
        # flat names of our own: a source's path must not choose where we write
        names = {f"{index}.rego": path for index, path in enumerate(sorted(request.sources))}
        for name, path in names.items():
            Path(folder, name).write_bytes(request.sources[path])
        files = sorted(names)
        bundle = Path(folder, "bundle.tar.gz")
        build = [opa, "build", "-t", "plan", "-e", request.entrypoint, "-o", str(bundle)]
        done = _in(folder, [*build, *files])
        if done.returncode == 0:
            return _renamed(_plan_of(bundle), names)
        checked = _in(folder, [opa, "check", "--format=json", *files])
        return _check_errors(checked.stderr or checked.stdout, done.stderr + done.stdout, names)


def _in(folder: str, command: list[str]) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "OPA_LOG_LEVEL": "error"}
    try:
        return subprocess.run(
            command, cwd=folder, capture_output=True, timeout=SECONDS, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerMissing(f"opa does not run: {error}") from None


def _plan_of(bundle: Path) -> bytes:
    with tarfile.open(bundle) as archive:
        member = archive.extractfile("/plan.json")
        if member is None:
            raise CompilerMissing("`opa build -t plan` made a bundle without plan.json")
        return member.read()


def _renamed(plan: bytes, names: Mapping[str, str]) -> bytes:
    """The plan with the sources' own names."""
    document = json.loads(plan)
    for file in document["static"].get("files") or []:
        file["value"] = names.get(file["value"], file["value"])
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _check_errors(checked: bytes, said: bytes, names: Mapping[str, str]) -> tuple[PlanProblem, ...]:
    """OPA's errors with their places; what is no error of a source is told as a whole."""
    try:
        errors = json.loads(checked)["errors"]
        return tuple(
            PlanProblem(
                names.get(error["location"]["file"], ""),
                error["location"]["row"],
                error["location"]["col"],
                f"{error['code']}: {error['message']}",
            )
            for error in errors
        )
    except (ValueError, KeyError, TypeError):
        text = said.decode(errors="replace").strip()
        return (PlanProblem("", 0, 0, text.removeprefix("error: ")[:500]),)
