"""All active bundles as one bundle of ours: one policy for every host, in compat mode. Pure.

Every bundle's Rego is compiled together. A decision that is no rule is looked up by a rule of our
own, so that it may also be a package, a value of the data, or not there at all, as in OPA.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from callout.config.bundle import Bundle
from extauthz.opa import roots as bundle_roots
from extauthz.opa.bundle import OpaBundle, package_of
from extauthz.opa.problems import BundleRefused
from extauthz.opa.settings import OpaConfig
from extauthz.policy.compiler.plans import TESTS, compiled_path, plan_key
from extauthz.policy.values.text import to_json

FOLDER: Final = "opa"
"""Of the Rego in the bundle that is made."""
DATA: Final = "data.json"
POLICY: Final = "opa-envoy"
"""The name of the one policy, in metrics and decision lines."""
PACKAGE: Final = "gatewright_opa_envoy"
"""Of the rule that looks the decision up."""
RULE: Final = "decision"
DESCRIPTORS: Final = "descriptors.pb"


def assembled(
    active: Mapping[str, OpaBundle], config: OpaConfig, descriptors: bytes | None = None
) -> Bundle:
    """What is decided by while these bundles are active.

    Until every bundle of the configuration is, nothing is allowed: what is missing may be what
    denies.

    Args:
        active: by name.
        config: says what is decided, and how.
        descriptors: the content of `proto-descriptor`.

    Raises:
        BundleRefused: two bundles want the same part of `data`.
    """
    collision = bundle_roots.colliding({name: each.manifest.roots for name, each in active.items()})
    if collision is not None:
        raise BundleRefused(collision)
    files: dict[str, bytes] = {}
    for name, each in sorted(active.items()):
        for path, text in each.modules.items():
            files[f"{FOLDER}/{name}/{_as_policy(path)}"] = text
    complete = active.keys() >= config.bundles.keys()
    plans = [each.plan for each in active.values() if each.plan is not None]
    entrypoint = config.decision
    if plans and not files and complete:
        files |= _by_plan(plans, entrypoint)
    elif not complete or not _has_rule(files.values(), entrypoint):
        files[f"{FOLDER}/{PACKAGE}.rego"] = _rule(entrypoint if complete else None)
        entrypoint = f"{PACKAGE}/{RULE}"
    files[DATA] = to_json(_data(active)).encode()
    if descriptors is not None:
        files[DESCRIPTORS] = descriptors
    files["opa.yaml"] = _policy(config, entrypoint, descriptors is not None)
    return Bundle(files)


def _as_policy(path: str) -> str:
    """OPA compiles a bundle's tests, too; a folder of ours leaves files of their name out."""
    return path.removesuffix(".rego") + "_.rego" if path.endswith(TESTS) else path


def place_in_bundle(file: str, bundles: Iterable[str]) -> str:
    """Where a module of `assembled` is in its own bundle, as OPA names it: `/envoy/policy.rego`."""
    folders = (f"{FOLDER}/{name}/" for name in bundles)
    of = max((each for each in folders if file.startswith(each)), key=len, default=None)
    if of is None:
        return file
    renamed = TESTS.removesuffix(".rego") + "_.rego"
    path = file.removeprefix(of)
    return "/" + (path.removesuffix("_.rego") + ".rego" if path.endswith(renamed) else path)


def _has_rule(modules: Iterable[bytes], decision: str) -> bool:
    """Whether a rule of this path is there, seen in the text: its head begins a line."""
    *package, name = decision.split("/")
    head = re.compile(rb"^(?:default[ \t]+)?" + re.escape(name.encode()) + rb"\b(?!\()", re.M)
    return any(package_of(text) == package and head.search(text) for text in modules)


def _rule(decision: str | None) -> bytes:
    where = PACKAGE, "a bundle is missing"
    steps = decision.split("/") if decision is not None else where
    reference = "data" + "".join(f"[{json.dumps(step)}]" for step in steps)
    return f"package {PACKAGE}\n\n{RULE} := {reference}\n".encode()


def _by_plan(plans: list[bytes], entrypoint: str) -> dict[str, bytes]:
    """A bundle that brings its plan and no Rego; a plan cannot be compiled together with others."""
    if len(plans) > 1:
        raise BundleRefused("several bundles bring plans without Rego: one of them can be used")
    path = f"{FOLDER}/plan.rego"
    sources = {path: b"# The bundle brings the plan alone.\n"}
    return {**sources, compiled_path(plan_key(sources, entrypoint)): plans[0]}


def _data(active: Mapping[str, OpaBundle]) -> dict[str, Any]:
    """All bundles' data, and what OPA says of them at `data.system.bundles`."""
    data: dict[str, Any] = {}
    for each in active.values():
        data = _merged(data, each.data)
    bundles = {
        name: {"manifest": dict(each.manifest.written), "etag": each.etag}
        for name, each in active.items()
    }
    return _merged(data, {"system": {"bundles": bundles}})


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both; where both say something that is no object, the other."""
    merged = dict(one)
    for name, value in other.items():
        there = merged.get(name)
        both = isinstance(there, dict) and isinstance(value, dict)
        merged[name] = _merged(there, value) if both else value  # type: ignore[arg-type]
    return merged


def _policy(config: OpaConfig, entrypoint: str, descriptors: bool) -> bytes:
    auth: dict[str, Any] = {
        "compat": "opa-envoy",
        "identity": [{"anonymous": {}}],
        "decide": {"rego": FOLDER, "entrypoint": entrypoint, "data": DATA},
    }
    if config.envoy.dry_run:
        auth["mode"] = "shadow"
    body: dict[str, Any] = {}
    if config.envoy.skip_request_body_parse:
        body["parse"] = False
    if descriptors:
        body["descriptors"] = DESCRIPTORS
    if body:
        auth["body"] = body
    document = {
        "apiVersion": "bundle/v1",
        "kind": "Policy",
        "name": POLICY,
        "on": [{"host": "*"}],
        "auth": auth,
    }
    return json.dumps(document, indent=1).encode()
