"""Rego of a bundle to decisions: real plans by real OPA, through the real loader."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from callout.config import documents
from callout.config.bundle import Bundle, read_directory
from callout.config.problems import Rejected
from callout.config.section import Section
from callout.config.snapshot import Snapshot, build
from callout.config.source import Source
from callout.grpc.call import Call
from callout.testing.requests import check_request
from callout.testing.tools import require
from extauthz.config import AuthSection
from extauthz.plans import PlanCache, rego_wanted
from extauthz.policy.compiler.plans import (
    RegoSource,
    compile_missing,
    compiled_path,
    plan_key,
    rego_sources,
)
from extauthz.policy.rego import load_plan
from extauthz.service import AuthorizationService
from ratelimit.config import LimitsSection
from tests.extauthz.tokens import NOW, claims, jwk, jwks, token
from tests.extauthz.world import Answered, NoKeys, Recorder

POLICY = """
apiVersion: bundle/v1
kind: Policy
name: shop
on: [{host: "*"}]
auth:
  identity:
    - jwt: {issuer: https://idp.example/, audience: [shop], jwks: {file: keys.json}}
    - anonymous: {}
  decide: {rego: rego, entrypoint: shop/allow, data: data.json}
  emit: {x-user: sub}
"""

REGO = b"""package shop

import rego.v1

default allow := false

allow if input.parsed_path[0] in data.public

allow := {"allowed": true, "headers": {"x-role": data.roles[input.identity.sub]}} if {
	input.identity.sub
	input.path == "/mine"
	not "parameters" in input.path_flags
}

allow := {"allowed": false, "http_status": 402, "body": "pay"} if {
	input.attributes.request.http.headers["x-cheap"]
	input.parsed_query.why == ["no"]
}
"""

DATA = b'{"public": ["", "news"], "roles": {"alice": "admin"}}'


def files(rego: bytes = REGO, data: bytes = DATA) -> dict[str, bytes]:
    return {
        "shop.yaml": POLICY.encode(),
        "keys.json": jwks(jwk("ec")),
        "rego/shop.rego": rego,
        "rego/shop_test.rego": b"package nonsense (",
        "data.json": data,
    }


def wanted(bundle: Bundle) -> list[RegoSource]:
    return rego_wanted([each.source for each in documents.read(bundle, ["auth"]).policies])


@pytest.fixture(scope="module")
def opa() -> Iterator[None]:
    """A native `opa` on the path: the compiler that needs nothing to be built first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(require("opa").parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def compiled(opa: None, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle with its plan."""
    bundle = Bundle(files())
    plans = compile_missing(bundle, wanted(bundle), tmp_path_factory.mktemp("cache"), print)
    assert not isinstance(plans, Rejected), plans
    return Bundle({**bundle.files, **plans})


def service(bundle: Bundle) -> AuthorizationService:
    snapshot = build(bundle, [AuthSection()])
    assert isinstance(snapshot, Snapshot), snapshot
    return AuthorizationService(lambda: snapshot, Recorder(), NoKeys(), now=lambda: NOW)


def ask(bundle: Bundle, path: str, **headers: str) -> Answered:
    request = check_request("GET", path, headers=headers)
    reply = service(bundle).check(request.SerializeToString(), Call((), None, "test"))
    assert isinstance(reply, bytes)
    return Answered(reply)


def test_what_policies_name_is_wanted() -> None:
    bundle = Bundle({**files(), "more.yaml": POLICY.replace("name: shop", "name: more").encode()})

    assert set(wanted(bundle)) == {RegoSource("rego", "shop/allow")}


def test_malformed_blocks_want_nothing() -> None:
    for block in ("1", "[]", "{rego: 1, entrypoint: a/b}", "{rego: a}", "authenticated"):
        text = POLICY.replace("{rego: rego, entrypoint: shop/allow, data: data.json}", block)
        assert wanted(Bundle({"shop.yaml": text.encode()})) == []


ALICE = {"authorization": f"Bearer {token(claims())}"}

DECISIONS: dict[str, tuple[str, dict[str, str], int]] = {
    "public": ("/news/today", {}, 0),
    "public, the root": ("/", {}, 0),
    "public, behind slashes": ("//news", {}, 0),
    "not public": ("/admin", {}, 403),
    "not public, behind slashes": ("//admin/news", {}, 403),
    "mine, by a token": ("/mine", ALICE, 0),
    "mine, in another form": ("/%6Dine", ALICE, 0),
    "mine, but with parameters": ("/mine;x", ALICE, 403),
    "mine, without token": ("/mine", {}, 403),
    "mine, by a bad token": ("/mine", {"authorization": "Bearer x"}, 401),
    "pay": ("/x?why=no", {"x-cheap": "1"}, 402),
    "a query that Go refuses": ("/news?a;b", {}, 400),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_a_real_policy_decides(compiled: Bundle, name: str) -> None:
    path, headers, status = DECISIONS[name]

    answer = ask(compiled, path, **headers)

    assert answer.status == status
    if headers is ALICE and answer.allowed:
        assert answer.headers == {"x-role": "admin", "x-user": "alice"}


def test_the_same_plan_is_translated_once(
    compiled: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Any] = []

    def count(plan: bytes, entrypoint: str, *others: Any) -> Any:
        loads.append(entrypoint)
        return load_plan(plan, entrypoint, *others)

    monkeypatch.setattr("extauthz.plans.load_plan", count)
    section = AuthSection()
    assert isinstance(section._plans, PlanCache)

    build(compiled, [section])
    build(compiled, [section])
    assert len(loads) == 1
    build(Bundle({**compiled.files, "note.txt": b"1"}), [section])
    assert len(loads) == 1
    build(Bundle({**compiled.files, "data.json": b"{}"}), [section])
    assert len(loads) == 2


def problem(bundle: Bundle) -> str:
    found = build(bundle, [AuthSection()])
    assert isinstance(found, Rejected), found
    assert len(found.problems) == 1
    return str(found.problems[0])


def test_changed_rego_has_no_plan(compiled: Bundle) -> None:
    changed = {**compiled.files, "rego/shop.rego": REGO + b"\n# changed\n"}

    assert "found no `.compiled/" in problem(Bundle(changed))


def test_a_damaged_plan_is_a_problem(compiled: Bundle) -> None:
    (path,) = [path for path in compiled.files if path.startswith(".compiled/")]

    assert "shop.yaml:10:18: auth.decide.rego" in problem(Bundle({**compiled.files, path: b"{}"}))


def test_an_entrypoint_that_the_plan_has_not_is_a_problem(compiled: Bundle) -> None:
    (path,) = [path for path in compiled.files if path.startswith(".compiled/")]
    other = compiled_path(plan_key(rego_sources(compiled, "rego"), "shop/deny"))
    text = POLICY.replace("shop/allow", "shop/deny").encode()

    found = problem(Bundle({**compiled.files, "shop.yaml": text, other: compiled.files[path]}))

    assert "shop/deny" in found


def test_data_that_is_not_json_is_a_problem(compiled: Bundle) -> None:
    assert "auth.decide" in problem(Bundle({**compiled.files, "data.json": b"{"}))


def test_a_builtin_that_we_lack_is_a_problem_at_its_line_of_rego(opa: None, tmp_path: Path) -> None:
    rego = b"package shop\n\nimport rego.v1\n\nallow if http.send({}).status_code == 200\n"
    bundle = Bundle(files(rego))
    plans = compile_missing(bundle, wanted(bundle), tmp_path, print)

    if isinstance(plans, Rejected):  # the compiler's own capabilities said so
        found = str(plans.problems[0])
    else:
        found = problem(Bundle({**bundle.files, **plans}))
    assert "rego/shop.rego:5" in found
    assert "http.send" in found


class Unread(Section):
    """A block that is another service's."""

    key = "inspect"

    def compile_block(self, block: Source, bundle: Bundle) -> object:
        return block.value

    def compile_part(self, bundle: Bundle, policies: Sequence[Source]) -> object:
        return None


def test_the_sample_shop_compiles(opa: None, tmp_path: Path) -> None:
    shop = read_directory(Path(__file__).parents[2] / "gateway-config" / "shop")
    assert not isinstance(shop, Rejected)
    plans = compile_missing(shop, wanted(shop), tmp_path, print)
    assert not isinstance(plans, Rejected), plans
    bundle = Bundle({**shop.files, **plans})
    found = build(bundle, [AuthSection(), LimitsSection(), Unread()])

    assert isinstance(found, Snapshot), found
    assert found.parts["auth"].emitted == (  # type: ignore[attr-defined]
        "x-shop-org",
        "x-shop-role",
        "x-shop-user",
    )
