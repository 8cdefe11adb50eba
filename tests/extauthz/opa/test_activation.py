"""What is decided by all bundles together, by the server's own loader."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from callout.testing import tools
from extauthz.compiled import ByRego, CompiledAuth
from extauthz.opa import config
from extauthz.opa.activation import assembled
from extauthz.opa.archive import unpack
from extauthz.opa.bundle import OpaBundle, Trust, read_bundle
from extauthz.opa.revisions import revisions
from extauthz.policy.engine import UNDEFINED
from gatewright.bundle.load import check
from gatewright.cli.folders import cache_folder

CONFIG = """services: {s: {url: 'http://127.0.0.1'}}
bundles: {a: {}}
plugins: {envoy_ext_authz_grpc: {path: envoy/authz/allow}}
"""


def made(files: dict[str, bytes]) -> Bundle:
    found = config.read("opa.yaml", CONFIG.encode(), {})
    assert isinstance(found, config.Read)
    bundle = read_bundle(files, Trust(None, {}), '"e"')
    assert isinstance(bundle, OpaBundle)
    return assembled({"a": bundle}, found.config)


def auth_of(bundle: Bundle) -> CompiledAuth:
    loaded = check(bundle, cache_folder(), print)
    assert not isinstance(loaded, Rejected), loaded
    effective, _ = loaded.snapshot.policies.find("any.example", "/", "GET", None)
    auth = effective.block("auth")  # type: ignore[union-attr]
    assert isinstance(auth, CompiledAuth)
    return auth


def decided(files: dict[str, bytes]) -> Any:
    auth = auth_of(made(files))
    assert isinstance(auth.decider, ByRego)
    return auth.decider.engine.decide({"x": 1}, None)


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        ({"p.rego": b"package envoy.authz\n\nallow if input.x == 1\n"}, True),
        ({"p.rego": b"package envoy.authz\n\ndefault allow := false\n"}, False),
        ({"p.rego": b'package envoy\n\nauthz := {"allow": true}\n'}, True),
        ({"p.rego": b"package envoy.authz.allow\n\nallowed := true\n"}, {"allowed": True}),
        ({"p.rego": b'package envoy.authz\n\nallow["x"] := 1\n'}, {"x": 1}),
        ({"envoy/authz/data.json": b'{"allow": true}'}, True),
        ({"p.rego": b"package envoy.other\n\nallow := true\n"}, UNDEFINED),
        ({}, UNDEFINED),
    ],
)
def test_a_decision_may_be_anything_or_nothing(files: dict[str, bytes], answer: Any) -> None:
    assert decided(files) == answer


def test_what_is_in_a_test_of_the_bundle_counts_as_in_opa() -> None:
    files = {
        "p.rego": b"package envoy.authz\n\nallow := data.envoy.authz_test.here\n",
        "p_test.rego": b"package envoy.authz_test\n\nhere := 7\n",
    }

    assert decided(files) == 7


def test_policies_see_what_opa_says_of_bundles_and_events_their_revisions() -> None:
    rule = b"package envoy.authz\n\nallow := data.system.bundles\n"
    manifest = b'{"revision": "r7", "roots": ["envoy"], "metadata": {"n": 1.50}}'
    files = {"p.rego": rule, ".manifest": manifest}

    found = decided(files)

    assert found["a"]["etag"] == '"e"'
    assert found["a"]["manifest"]["revision"] == "r7"
    assert str(found["a"]["manifest"]["metadata"]["n"]) == "1.50"
    assert revisions(auth_of(made(files))) == {"a": {"revision": "r7"}}


def test_an_error_of_rego_is_told_with_bundle_file_and_line() -> None:
    found = check(made({"d/p.rego": b"package envoy.authz\n\nallow := nowhere(1)\n"}),
                  cache_folder(), print)  # fmt: skip

    assert isinstance(found, Rejected)
    assert [(each.file, each.line) for each in found.problems] == [("opa/a/d/p.rego", 3)]


def test_a_bundle_may_bring_its_plan_alone(tmp_path: Path) -> None:
    source = tmp_path / "p.rego"
    source.write_text("package envoy.authz\n\nallow if input.x == 1\n")
    built = tmp_path / "b.tar.gz"
    command: list[str | Path] = [tools.require("opa"), "build", "-t", "plan"]
    command += ["-e", "envoy/authz/allow", "-o", built, source]
    subprocess.run(command, check=True, capture_output=True)
    files = unpack(built.read_bytes(), 1 << 20)
    without = {path: data for path, data in files.items() if not path.endswith(".rego")}
    assert "plan.json" in without

    assert decided(files) is True
    assert decided(without) is True
