"""A bundle is read, its Rego compiled, and all that is wrong told at once."""

from pathlib import Path

from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from gatewright.bundle.load import Loaded, check, load
from gatewright.cli.folders import cache_folder

SAMPLE = Path(__file__).resolve().parents[2] / "gateway-config" / "shop"

POLICY = b"""\
apiVersion: bundle/v1
kind: Policy
name: a
on: [{host: "*"}]
auth:
  identity: [{anonymous: {}}]
  decide: {rego: rego, entrypoint: a/allow}
  emmit: {}
limits: [{name: x, rate: 5/fortnight}]
"""


def test_the_sample_bundle_brings_plans_that_are_fresh(tmp_path: Path) -> None:
    said: list[str] = []
    loaded = load(SAMPLE, tmp_path / "cache", said.append)
    assert isinstance(loaded, Loaded), loaded
    assert loaded.snapshot.policies.names == ("partners", "search", "shop", "staff")
    assert loaded.snapshot.warnings == ()
    assert said == []
    assert not (tmp_path / "cache").exists()


def test_problems_of_rego_and_of_policies_come_together() -> None:
    files = {"a.yaml": POLICY, "rego/a.rego": b"package a\n\nallow if {\n  foo\n}\n"}
    found = check(Bundle(files), cache_folder(), print)
    assert isinstance(found, Rejected)
    assert [f"{each.file}:{each.line}:{each.column}" for each in found.problems] == [
        "a.yaml:8:3",
        "a.yaml:9:26",
        "rego/a.rego:4:3",
    ]


HEADLESS = b"""\
apiVersion: bundle/v1
kind: Policy
name: "-"
on: []
auth:
  identity: [{jwt: {issuer: "a b", audience: [a], jwks: {url: "ftp://a"}}}]
  emit: {x-user: ""}
---
apiVersion: bundle/v1
kind: Policy
name: b
on: [{hots: "*"}]
auth:
  decide: {rego: rego, entrypoint: a/allow}
limits:
  - {name: per-user, by: [identity.sub], rate: 100/mni}
"""


def test_a_bad_head_hides_nothing_that_is_below_it(tmp_path: Path) -> None:
    # What they do not write, such as `decide` and `identity`, may come from a wider policy.
    bundle = Bundle({"a.yaml": HEADLESS, "rego/a.rego": b"package a\n\nallow if nowhere\n"})
    found = check(bundle, cache_folder(), print)
    assert isinstance(found, Rejected)
    places = [f"{each.file}:{each.line} {each.path}" for each in found.problems]
    assert places == [
        "a.yaml:3 name",
        "a.yaml:4 on",
        "a.yaml:6 auth.identity[0].jwt.issuer",
        "a.yaml:6 auth.identity[0].jwt.jwks.url",
        "a.yaml:7 auth.emit.x-user",
        "a.yaml:12 on[0].hots",
        "a.yaml:16 limits[0].rate",
        "rego/a.rego:3 ",
    ]
