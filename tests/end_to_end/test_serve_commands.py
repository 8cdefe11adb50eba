"""The commands around `serve`: what they print, and what a script can tell from their status."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

import gatewright
from tests.end_to_end.conftest import ROOT, SAMPLE
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, run, write_bundle

GOOD = {"all.yaml": policy("all", OPEN), **EVERYBODY}


# --- check ---


def test_check_says_that_a_bundle_is_good() -> None:
    done = run("check", str(SAMPLE / "shop"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{SAMPLE / 'shop'}: good: 4 policies\n"


def test_check_as_json_of_a_good_bundle(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", GOOD)
    done = run("check", "--json", str(bundle))
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert (report["ok"], report["problems"]) == (True, [])
    with closing(Serve(tmp_path, bundle)) as serve:
        assert serve.config()["digest"] == report["digest"]


BAD_YAML = """apiVersion: bundle/v1
kind: Policy
name: all
on: [{host: "*"}]
auth: {identity: [{anonymus: {}}], decide: authenticated}
limits:
  - {name: a, by: [identity], rate: 5/fortnight}
---
apiVersion: bundle/v1
kind: Policy
name: two
on: [{hots: "*"}]
"""
PLACES = [
    ("all.yaml", 5, 20, "auth.identity[0].anonymus"),
    ("all.yaml", 7, 20, "limits[0].by[0]"),
    ("all.yaml", 7, 37, "limits[0].rate"),
    ("all.yaml", 12, 7, "on[0].hots"),
]


def test_check_tells_every_problem_with_its_place(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, {"all.yaml": BAD_YAML})
    done = run("check", str(bundle))
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    for file, line, column, path in PLACES:
        assert [each for each in lines if each.startswith(f"{file}:{line}:{column}: {path}: ")], (
            path,
            lines,
        )
    assert len(lines) == len(PLACES)

    done = run("check", "--json", str(bundle))
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert (report["ok"], report["digest"]) == (False, None)
    found = [
        (each["file"], each["line"], each["column"], each["path"]) for each in report["problems"]
    ]
    assert sorted(found) == PLACES
    assert report["problems"][0]["severity"] == "error"


REGO = {
    "syntax": ("package shop\n\nallow if {\n\tfoo(\n}\n", r"rego/shop\.rego:5:1: .*unexpected }"),
    "unsafe": ("package shop\n\nallow if x == y\n", r"rego/shop\.rego:3:10: .*unsafe"),
    "unknown-function": (
        "package shop\n\nallow if {\n\tinput.x\n\tnothing(1)\n}\n",
        r"rego/shop\.rego:5:2: .*undefined function nothing",
    ),
    "builtin-without-permit": (
        "package shop\n\nallow if {\n\tinput.x\n"
        '\thttp.send({"method": "get", "url": "http://x"}).status == 200\n}\n',
        r"rego/shop\.rego:5:2: the builtin http\.send needs `allow\.http`",
    ),
}


@pytest.mark.parametrize("name", REGO)
def test_check_tells_the_line_of_bad_rego(tmp_path: Path, name: str) -> None:
    text, said = REGO[name]
    done = run("check", str(write_bundle(tmp_path, {**GOOD, "rego/shop.rego": text})))
    assert done.returncode == 1
    assert re.search(said, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_check_of_nothing_is_an_error(tmp_path: Path) -> None:
    done = run("check", str(tmp_path / "none"))
    assert done.returncode == 1
    assert f"{tmp_path}/none" in done.stderr
    done = run("check", str(write_bundle(tmp_path / "empty", {"README.md": ""})))
    assert done.returncode == 1


# --- build ---


def plans(bundle: Path) -> list[Path]:
    return sorted((bundle / ".compiled").glob("*"))


def test_build_writes_the_plans_and_removes_old_ones(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, GOOD)
    done = run("build", str(bundle))
    assert (done.returncode, done.stdout) == (0, f"{bundle}/.compiled: 1 compiled, 0 removed\n")
    (first,) = plans(bundle)
    assert "plans" in json.loads(first.read_bytes())
    stamp = first.stat().st_mtime_ns

    assert run("build", str(bundle)).stdout.endswith("1 compiled, 0 removed\n")
    assert first.stat().st_mtime_ns == stamp

    write_bundle(bundle, {"rego/shop.rego": "package shop\n\nallow := 1 == 2\n"})
    assert run("build", str(bundle)).stdout.endswith("1 compiled, 1 removed\n")
    (second,) = plans(bundle)
    assert second != first
    assert run("check", str(bundle)).returncode == 0


def test_build_of_bad_rego_leaves_what_is_there(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, GOOD)
    assert run("build", str(bundle)).returncode == 0
    before = plans(bundle)
    write_bundle(bundle, {"rego/shop.rego": "package shop\n\nallow :=\n"})
    done = run("build", str(bundle))
    assert done.returncode == 1
    assert re.search(r"rego/shop\.rego:\d+:\d+: ", done.stderr)
    assert plans(bundle) == before


class Installed:
    """The packages as a wheel lays them, without the clone around, with nothing cached yet."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site"
        for package in ("callout", "extauthz", "ratelimit", "gatewright"):
            shutil.copytree(
                ROOT / package, self.site / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        self.cache = folder / "cache"
        self.asked = folder / "asked"
        opa = folder / "path" / "opa"
        opa.parent.mkdir()
        opa.write_text(
            "#!/bin/sh\n"
            'if [ "$1" = version ]; then echo "Version: 1.22.0"; exit; fi\n'
            f"echo x >> {self.asked}; exit 1\n"
        )
        opa.chmod(0o755)
        self.environ = {
            "PYTHONPATH": str(self.site),
            "XDG_CACHE_HOME": str(self.cache),
            "PATH": f"{opa.parent}:/usr/bin:/bin",
        }

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return run(*arguments, environ=self.environ, cwd=self.site)


def test_a_bundle_with_its_plans_needs_no_compiler(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    bundle = write_bundle(tmp_path / "bundle", GOOD)
    assert run("build", str(bundle)).returncode == 0

    done = installed.run("check", str(bundle))
    assert (done.returncode, done.stderr) == (0, "")
    assert not installed.asked.exists()
    assert not installed.cache.exists()

    shutil.rmtree(bundle / ".compiled")
    assert installed.run("check", str(bundle)).returncode == 1
    assert installed.asked.exists()


# --- settings ---

SETTINGS: Mapping[str, tuple[list[str], dict[str, str], str]] = {
    "unknown-variable": ([], {"GATEWRIGHT_X": "1"}, r"^GATEWRIGHT_X: x: "),
    "unknown-inner-variable": (
        [],
        {"GATEWRIGHT_LISTEN__GRCP": "x"},
        r"^GATEWRIGHT_LISTEN__GRCP: .*did you mean `grpc`",
    ),
    "variable-of-another-type": ([], {"GATEWRIGHT_DRAIN": "soon"}, r"^GATEWRIGHT_DRAIN: drain: "),
    "workers": (["--workers", "many"], {}, r"^--workers: workers: "),
    "no-workers": (["--workers", "0"], {}, r"^--workers: workers: "),
    "address": (["--grpc", "nonsense"], {}, r"^--grpc: listen\.grpc: .*host:port"),
    "transport": (["--transport", "quic"], {}, r"^--transport: transport: .*grpcio"),
    "face": (["--faces", "authz,waf"], {}, r"^--faces: faces\[1\]: "),
    "redis": (["--redis", "http://x:secret-word@y"], {}, r"^--redis: redis: .*redis://"),
    "tls": ([], {"GATEWRIGHT_TLS__CERT": "x"}, r"tls.*key"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_bad_setting_is_told_with_its_place_and_nothing_starts(name: str) -> None:
    flags, environ, said = SETTINGS[name]
    done = run("serve", "--bundle", str(SAMPLE / "shop"), *flags, environ=environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(said, done.stderr, re.MULTILINE), done.stderr
    assert "secret-word" not in done.stderr
    assert "Traceback" not in done.stderr


def test_problems_of_a_settings_file_have_lines(tmp_path: Path) -> None:
    file = tmp_path / "gatewright.yaml"
    file.write_text("drain: 5\nlisten: {grpc: 1}\nworker: 2\n")
    done = run("serve", "--settings", str(file))
    assert done.returncode == 1
    assert f"{file}:2:16: listen.grpc: " in done.stderr
    assert f"{file}:3:1: worker: " in done.stderr
    assert "did you mean `workers`?" in done.stderr

    done = run("serve", "--settings", str(tmp_path / "none.yaml"))
    assert done.returncode == 1
    assert "none.yaml" in done.stderr


def test_flags_win_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gatewright.yaml"
    file.write_text("drain: 5\nmax_message: 8192\ntelemetry: {level: error}\n")
    environ = {"GATEWRIGHT_MAX_MESSAGE": "9000", "GATEWRIGHT_TELEMETRY__LEVEL": "warning"}
    bundle = write_bundle(tmp_path / "bundle", GOOD)
    flags = ["--settings", str(file), "--level", "info"]
    with closing(Serve(tmp_path, bundle, *flags, environ=environ)) as serve:
        settings = serve.config()["settings"]
    assert (settings["drain"], settings["max_message"]) == (5, 9000)
    assert settings["telemetry"]["level"] == "info"


# --- the rest ---


@pytest.mark.parametrize("which", ["grpc", "admin"])
def test_a_taken_address_is_named(which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ports = {"grpc": "127.0.0.1:0", "admin": "127.0.0.1:0", which: address}
        flags = [part for name, value in ports.items() for part in (f"--{name}", value)]
        done = run("serve", "--bundle", str(SAMPLE / "shop"), *flags)
    assert done.returncode == 1
    assert address in done.stderr
    assert "in use" in done.stderr


@pytest.mark.parametrize("transport", ["own", "grpcio"])
def test_a_second_service_does_not_share_the_port_of_the_first(
    tmp_path: Path, transport: str
) -> None:
    with closing(Serve(tmp_path, SAMPLE / "shop", "--transport", transport)) as first:
        flags = ["--grpc", first.grpc, "--admin", "127.0.0.1:0", "--redis", "redis://127.0.0.1:1"]
        done = run("serve", "--bundle", str(SAMPLE / "shop"), "--workers", "2", *flags)
    assert done.returncode == 1
    assert first.grpc in done.stderr


def test_version_is_one_line() -> None:
    done = run("version")
    assert done.returncode == 0
    assert re.fullmatch(
        rf"gatewright {re.escape(gatewright.__version__)} \(Python \d+\.\d+\.\d+\S*\)\n",
        done.stdout,
    )


@pytest.mark.parametrize("arguments", [[], ["sevre"], ["check"], ["serve", "--port", "1"]])
def test_wrong_arguments_are_status_two(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage: gatewright" in done.stderr


def test_the_console_script_is_the_same_command() -> None:
    script = Path(sys.executable).parent / "gatewright"
    done = subprocess.run(
        [script, "version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == run("version").stdout
    assert os.access(script, os.X_OK)
