"""Our program around OPA's own code (`opa_compiler/`): asked in another process.

It compiles, and does what else of OPA's the authors of policies need; a request names the command.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from extauthz.policy.compiler import build as opa_build

SECONDS: Final = 300.0
"""For one run: usually milliseconds, but WebAssembly's first translation takes 15 s or more."""

Ask: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]]
"""Requests in, an answer for each out. Raises `CompilerMissing`."""
Progress: TypeAlias = Callable[[str], None]


class CompilerMissing(Exception):
    """No form of OPA's compiler is here, or it does not run; the text says what to do."""


def find(cache: Path, progress: Progress) -> Ask:
    """The program as the package brings it, as it was built before, or built now.

    Raises:
        CompilerMissing: it is not here, and cannot be built.
    """
    found = kept(cache) or built(cache, progress)
    if found is None:
        raise CompilerMissing(
            "this needs OPA's own code, which is not here: put `go` on the path, or install the"
            " extra `compile` of a release"
        )
    return found


def kept(cache: Path) -> Ask | None:
    """The program as the package brings it, or as it was built before."""
    for path in opa_build.kept(cache):
        if path.exists():
            return asking(path, cache)
    return None


def built(cache: Path, progress: Progress) -> Ask | None:
    """The program, built now; None: there is no Go.

    Raises:
        CompilerMissing: Go does not build it.
    """
    try:
        path = opa_build.build(cache, progress)
    except opa_build.BuildFailed as failed:
        raise CompilerMissing(str(failed)) from None
    return None if path is None else asking(path, cache)


def asking(program: Path, cache: Path) -> Ask:
    """Asks a program of this path; all requests of a call go to one process."""
    command: list[str | Path] = [program]
    if program.suffix == ".wasm":
        # `-I` would also ignore PYTHONPATH, by which a clone may find this very package
        command = [sys.executable, "-m", "extauthz.policy.compiler.worker", program, cache]

    def ask(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        if not requests:
            return []
        lines = [json.dumps(each).encode() for each in requests]
        done = run(command, b"\n".join([*lines, b""]))
        replies = done.stdout.splitlines()
        if done.returncode or len(replies) != len(requests):
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise CompilerMissing(f"OPA's compiler ({program}) failed: {said}")
        return [json.loads(each) for each in replies]

    return ask


def run(command: Sequence[str | Path], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end.

    Raises:
        CompilerMissing: it does not start, or does not end in `SECONDS`.
    """
    try:
        return subprocess.run(
            command, input=data, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerMissing(f"{Path(command[0]).name} does not run: {error}") from None
