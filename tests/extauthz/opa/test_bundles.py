"""One bundle, its roots, its changes; and all of them together."""

import json
from typing import Any

import pytest

from callout.config.bundle import Bundle
from callout.config.yaml import parse
from extauthz.opa import config
from extauthz.opa.activation import assembled
from extauthz.opa.bundle import Delta, OpaBundle, Trust, package_of, read_bundle
from extauthz.opa.patch import Operation, patched, read_operations
from extauthz.opa.problems import BundleRefused
from extauthz.opa.roots import colliding
from extauthz.opa.settings import OpaConfig

NOBODY = Trust(None, {})


def read(**files: str) -> OpaBundle:
    found = read_bundle(
        {name.replace("__", "/"): text.encode() for name, text in files.items()}, NOBODY
    )
    assert isinstance(found, OpaBundle)
    return found


def configured(text: str = "") -> OpaConfig:
    head = "services: {s: {url: 'http://127.0.0.1'}}\nbundles: {a: {}, b: {}}\n"
    text = text or "plugins: {envoy_ext_authz_grpc: {}}"
    found = config.read("opa.yaml", (head + text).encode(), {})
    assert isinstance(found, config.Read), found
    return found.config


def test_data_files_are_merged_at_the_paths_of_their_folders() -> None:
    files = {
        "data.json": b'{"a": {"x": 1.50}}',
        "a/b/data.json": b'{"y": 2}',
        "a/c/data.yaml": b"z: [yes, 3]\n",
        "other.json": b"{",
    }
    found = read_bundle(files, NOBODY)

    assert isinstance(found, OpaBundle)
    assert json.dumps(found.data, default=str) == json.dumps(
        {"a": {"x": "1.50", "b": {"y": 2}, "c": {"z": [True, 3]}}}
    )


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"data.json": b"[]"}, "root value must be object"),
        ({"a/data.json": b"1", "data.json": b'{"a": 2}'}, "another file says otherwise"),
        ({".manifest": b'{"rego_version": 0}'}, "rego_version 0"),
        ({".manifest": b'{"file_rego_versions": {"*": 0}}'}, "rego_version 0"),
        ({".manifest": b"{}", "a/.manifest": b"{}"}, "multiple manifest"),
        ({".manifest": b'{"roots": "a"}'}, "expected revision and roots"),
        ({".manifest": b'{"roots": ["a", "a/b"]}'}, "overlapped roots"),
        ({".manifest.pb": b""}, "protobuf is not supported"),
        ({"policy.wasm": b""}, "WebAssembly is not supported"),
        ({".signatures.json": b"{}"}, "verification key not provided"),
        ({"patch.json": b'{"data": []}', "data.json": b"{}", "x.rego": b""}, "only patch file"),
        ({"data.yaml": b"a: &a [*a]"}, "expected YAML"),
        ({"data.json": b"[" * 100_000}, "expected JSON"),
        ({"data.yaml": b"1: x"}, "expected YAML"),
    ],
)
def test_a_broken_bundle_is_refused(files: dict[str, bytes], why: str) -> None:
    with pytest.raises(BundleRefused, match=why):
        read_bundle(files, NOBODY)


def test_aliases_that_repeat_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

    with pytest.raises(BundleRefused, match="expected YAML"):
        read_bundle({"data.yaml": "\n".join(lines).encode()}, NOBODY)


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("package a.b\n", ["a", "b"]),
        ("# package x\n\n  package a # y\n", ["a"]),
        ('package a["b-c"].d\n', ["a", "b-c", "d"]),
        ("import rego.v1", None),
        ("", None),
    ],
)
def test_a_modules_package_is_read(text: str, package: list[str] | None) -> None:
    assert package_of(text.encode()) == package


@pytest.mark.parametrize(
    ("bundles", "collide"),
    [
        ({"x": ("a",), "y": ("b",)}, False),
        ({"x": ("a",), "y": ("ab",)}, False),
        ({"x": ("a/b",), "y": ("a/c", "d")}, False),
        ({"x": ("a",), "y": ("a",)}, True),
        ({"x": ("a",), "y": ("a/b/c",)}, True),
        ({"x": ("",), "y": ("a",)}, True),
        ({"x": ("",), "y": ("",)}, True),
        ({"x": ("a", "a-b"), "y": ("a/z",)}, True),
    ],
)
def test_roots_of_two_bundles_do_not_overlap(
    bundles: dict[str, tuple[str, ...]], collide: bool
) -> None:
    assert (colliding(bundles) is not None) is collide


def test_a_patch_changes_what_it_names_and_shares_the_rest() -> None:
    data: dict[str, Any] = {"a": {"x": [1, 2, 3]}, "b": {"y": 1}}
    operations = [
        Operation("upsert", ("a", "x", "1"), 9),
        Operation("remove", ("a", "x", "0"), None),
        Operation("upsert", ("a", "x", "-"), 4),
        Operation("replace", ("a", "x", "0"), 8),
        Operation("upsert", ("c", "d", "e"), {"f": 1}),
    ]

    found = patched(data, operations)

    assert found == {"a": {"x": [8, 2, 3, 4]}, "b": {"y": 1}, "c": {"d": {"e": {"f": 1}}}}
    assert found["b"] is data["b"]
    assert data == {"a": {"x": [1, 2, 3]}, "b": {"y": 1}}


@pytest.mark.parametrize(
    "operation",
    [
        Operation("remove", ("z",), None),
        Operation("replace", ("z",), 1),
        Operation("replace", ("a", "7"), 1),
        Operation("upsert", ("a", "-1"), 1),
        Operation("upsert", ("a", "0", "x"), 1),
        Operation("remove", ("",), None),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(operation: Operation) -> None:
    with pytest.raises(BundleRefused):
        patched({"a": [1]}, [operation])


def test_paths_of_patches_are_unescaped() -> None:
    written = b'{"data": [{"op": "remove", "path": "/a~1b/%63~01/"}]}'

    assert read_operations(written)[0].path == ("a/b", "c~1")


def test_a_delta_of_other_roots_is_refused() -> None:
    delta = read_bundle({"patch.json": b'{"data": []}', ".manifest": b'{"roots": ["a"]}'}, NOBODY)

    assert isinstance(delta, Delta)
    with pytest.raises(BundleRefused, match="roots"):
        delta.applied_to(read(), "", 0)


def test_until_every_bundle_is_there_the_decision_is_undefined() -> None:
    a = read_bundle({".manifest": b'{"roots": ["envoy"]}', "p.rego": ALLOW}, NOBODY)
    b = read_bundle({".manifest": b'{"roots": ["b"]}'}, NOBODY)
    assert isinstance(a, OpaBundle)
    assert isinstance(b, OpaBundle)

    assert entrypoint(assembled({"a": a}, configured())) == "gatewright_opa_envoy/decision"
    assert entrypoint(assembled({"a": a, "b": b}, configured())) == "envoy/authz/allow"


ALLOW = b"package envoy.authz\n\nallow := true\n"


def entrypoint(bundle: Bundle) -> str:
    decide: dict[str, str] = auth_of(bundle)["decide"]
    return decide["entrypoint"]


def auth_of(bundle: Bundle) -> dict[str, Any]:
    documents = parse("opa.yaml", bundle.files["opa.yaml"])
    assert isinstance(documents, list)
    auth: dict[str, Any] = documents[0].value["auth"]
    return auth


def test_what_the_plugin_is_told_is_in_the_policy() -> None:
    text = "{dry-run: true, skip-request-body-parse: true, proto-descriptor: x.pb}"
    found = configured("plugins: {envoy_ext_authz_grpc: " + text + "}")

    auth = auth_of(assembled({}, found, b"x"))

    assert auth["mode"] == "shadow"
    assert auth["compat"] == "opa-envoy"
    assert auth["body"] == {"parse": False, "descriptors": "descriptors.pb"}
