"""Finding and bringing the programs that tests start."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from callout.testing import tools

SCRIPT = Path(__file__).parents[3] / "scripts" / "tools.py"
BROUGHT = ("redis-server", "h2load", "h2spec", "opa", "valkey-server")


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def run(
    clone: Path, path: Path, environ: dict[str, str] | None = None, rules: bool = True
) -> subprocess.CompletedProcess[str]:
    """The script as a fresh clone has it, seeing only the programs in `path`."""
    if rules:
        unpacked = clone / ".tools" / "debian" / "modsecurity-crs"
        (unpacked / "usr/share/modsecurity-crs/rules").mkdir(parents=True, exist_ok=True)
    (clone / "scripts").mkdir(parents=True, exist_ok=True)
    copy = Path(shutil.copy(SCRIPT, clone / "scripts"))
    # Without pip (-I leaves the environment's settings out), nothing can be fetched.
    return subprocess.run(
        [sys.executable, "-I", "-S", str(copy)],
        env={"PATH": str(path), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("ci", ["", "true"])
def test_a_complete_machine_makes_the_script_silent(tmp_path: Path, ci: str) -> None:
    for name in BROUGHT:
        program(tmp_path / "path" / name)
    done = run(tmp_path / "clone", tmp_path / "path", {"CI": ci})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "clone" / ".tools" / "bin").exists()


def test_what_was_brought_before_is_not_brought_again(tmp_path: Path) -> None:
    for name in BROUGHT:
        program(tmp_path / "clone" / ".tools" / "bin" / name)
    (tmp_path / "path").mkdir()
    done = run(tmp_path / "clone", tmp_path / "path")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_what_cannot_be_brought_is_named_with_its_remedy(
    tmp_path: Path, ci: str, status: int
) -> None:
    for name in BROUGHT[2:]:
        program(tmp_path / "path" / name)
    done = run(tmp_path / "clone", tmp_path / "path", {"CI": ci})
    assert done.returncode == status
    assert "redis-server is missing: this machine has no `apt-get`" in done.stderr
    assert "`apt-get install redis-server` as root" in done.stderr
    assert "`apt-get install nghttp2-client` as root" in done.stderr
    assert "h2spec is missing" not in done.stderr


def test_rules_that_cannot_be_brought_are_missing_like_a_program(tmp_path: Path) -> None:
    for name in BROUGHT:
        program(tmp_path / "path" / name)
    done = run(tmp_path / "clone", tmp_path / "path", {"CI": "true"}, rules=False)
    assert done.returncode == 1
    assert "modsecurity-crs is missing: this machine has no `apt-get`" in done.stderr
    assert "`apt-get download modsecurity-crs`, and `dpkg -x`" in done.stderr


def test_what_not_every_system_has_is_looked_for_once_and_is_no_failure(tmp_path: Path) -> None:
    for name in BROUGHT[:4]:
        program(tmp_path / "path" / name)
    first = run(tmp_path / "clone", tmp_path / "path", {"CI": "true"})
    assert (first.returncode, first.stdout) == (0, "")
    assert "valkey-server is missing: this machine has no `apt-get`" in first.stderr
    again = run(tmp_path / "clone", tmp_path / "path", {"CI": "true"})
    assert (again.returncode, again.stderr) == (0, "")


def test_a_go_that_fails_is_quoted(tmp_path: Path) -> None:
    for name in BROUGHT[:3]:
        program(tmp_path / "path" / name)
    go = program(tmp_path / "path" / "go")
    go.write_text("#!/bin/sh\necho 'go: no network here' >&2\nexit 1\n")
    done = run(tmp_path / "clone", tmp_path / "path")
    assert done.returncode == 0
    assert "opa is missing: `go install` failed: go: no network here" in done.stderr
    assert "go install github.com/open-policy-agent/opa@" in done.stderr


def test_a_program_of_the_clone_comes_before_one_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(tools, "BIN", tmp_path / "bin")
    on_path = program(tmp_path / "path" / "opa")
    assert tools.find("opa") == on_path
    own = program(tmp_path / "bin" / "opa")
    assert tools.find("opa") == own


def test_envoy_comes_from_its_distribution() -> None:
    assert os.access(tools.require("envoy"), os.X_OK)


def test_without_it_a_test_is_skipped_with_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(tools, "BIN", tmp_path)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(tools.ToolMissing, match="make tools"):
        tools.find("h2spec")
    with pytest.raises(pytest.skip.Exception, match="h2spec is not here: `make tools`"):
        tools.require("h2spec")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="h2spec is not here: `make tools`"):
        tools.require("h2spec")
    with pytest.raises(pytest.skip.Exception, match="valkey-server is not here"):
        tools.require("valkey-server")


def test_every_program_that_may_be_asked_for_is_brought_by_somebody() -> None:
    assert set(tools.HOW) == {*BROUGHT, "envoy", "curl", "openssl"}
    with pytest.raises(KeyError):
        tools.find("h3load")
