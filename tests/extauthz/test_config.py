"""The `auth` block through the real loader: what it compiles to, and where problems point."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from callout.config.bundle import Bundle
from callout.config.policies import Effective
from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot, build
from extauthz.bodies.contract import BodyRules
from extauthz.compiled import Authenticated, ByOpa, CompiledAuth
from extauthz.config import AuthSection
from extauthz.emit import AuthPart
from extauthz.identity.anonymous import AnonymousEntry
from extauthz.identity.jwt import JwtEntry
from extauthz.identity.keys import ALGORITHMS
from tests.extauthz.bodies.protos import descriptor_set
from tests.extauthz.tokens import jwk, jwks

HEAD = "apiVersion: bundle/v1\nkind: Policy\n"
JWT = "jwt: {issuer: 'https://idp.example/', audience: [shop], jwks: {file: keys.json}}"


def policy(auth: str, name: str = "shop", on: str = '[{host: "*"}]') -> str:
    """A Policy whose `auth` block begins in line 6."""
    lines = "".join(f"  {line}\n" for line in auth.strip("\n").splitlines())
    return f"{HEAD}name: {name}\non: {on}\nauth:\n{lines}"


def bundle(*policies: str, files: Mapping[str, bytes] | None = None) -> Bundle:
    found = {f"{number}.yaml": text.encode() for number, text in enumerate(policies)}
    return Bundle({**found, "keys.json": jwks(jwk("ec")), **(files or {})})


def compiled(
    *policies: str, host: str = "shop.example", files: Mapping[str, bytes] | None = None
) -> CompiledAuth:
    snapshot = build(bundle(*policies, files=files), [AuthSection()])
    assert isinstance(snapshot, Snapshot), snapshot
    effective = snapshot.policies.choose(host, "/", "GET")
    assert isinstance(effective, Effective)
    assert not effective.invalid
    block = effective.block("auth")
    assert isinstance(block, CompiledAuth)
    return block


def problems(*policies: str, files: Mapping[str, bytes] | None = None) -> list[str]:
    found = build(bundle(*policies, files=files), [AuthSection()])
    assert isinstance(found, Rejected), found
    return [str(problem) for problem in found.problems]


def test_a_whole_block() -> None:
    found = compiled(
        policy(
            """
identity:
  - jwt:
      issuer: https://idp.example/
      audience: [shop, shop-api]
      jwks: {file: keys.json}
      algorithms: [ES256]
      leeway: 5
  - jwt: {issuer: partner, audience: [shop], jwks: {url: "https://p.example/keys"}}
  - anonymous: {}
decide: {opa: shop/allow}
emit: {x-user: sub, x-org: org.id}
onError: deny(500)
"""
        )
    )

    first, second, third = found.identity
    assert isinstance(first, JwtEntry)
    assert first.rules.issuer == "https://idp.example/"
    assert first.rules.audience == {"shop", "shop-api"}
    assert first.rules.algorithms == {"ES256"}
    assert first.rules.leeway == 5
    assert first.keys is not None
    assert [key.kid for key in first.keys.keys] == ["ec"]
    assert isinstance(second, JwtEntry)
    assert (second.keys, second.url) == (None, "https://p.example/keys")
    assert second.rules.algorithms == set(ALGORITHMS)
    assert second.rules.leeway == 60
    assert isinstance(third, AnonymousEntry)
    assert found.takes_tokens
    assert isinstance(found.decider, ByOpa)
    assert found.decider.path == "shop/allow"
    assert found.emit == (("x-org", "org.id"), ("x-user", "sub"))
    assert found.on_error == 500


def test_defaults_deny() -> None:
    found = compiled(policy(f"identity: [{JWT}]\ndecide: authenticated"))

    assert found.on_error == 503
    assert found.emit == ()
    assert isinstance(found.decider, Authenticated)


def test_on_error_may_allow() -> None:
    found = compiled(policy(f"identity: [{JWT}]\ndecide: authenticated\nonError: allow"))

    assert found.on_error is None


def test_a_block_that_is_off_needs_nothing() -> None:
    assert compiled(policy("mode: off")).identity == ()


def test_a_more_specific_policy_replaces_the_list_and_the_union_as_a_whole() -> None:
    base = policy(
        f"identity: [{JWT}, anonymous: {{}}]\ndecide: {{opa: a/b}}\nemit: {{x-user: sub}}"
    )
    staff = policy(
        f"identity: [{JWT}]\ndecide: authenticated\nemit: {{x-staff: sub}}",
        "staff",
        '[{host: "staff.example"}]',
    )

    found = compiled(base, staff, host="staff.example")

    assert len(found.identity) == 1
    assert isinstance(found.decider, Authenticated)
    assert found.emit == (("x-staff", "sub"), ("x-user", "sub"))


def test_the_scope_names_everything_that_verification_depends_on() -> None:
    def scope(jwt: str, files: Mapping[str, bytes] | None = None) -> str:
        block = f"identity:\n  - jwt: {jwt}\ndecide: authenticated"
        return compiled(policy(block), files=files).scope

    base = "{issuer: a, audience: [b], jwks: {file: keys.json}}"
    others = [
        scope("{issuer: b, audience: [b], jwks: {file: keys.json}}"),
        scope("{issuer: a, audience: [c], jwks: {file: keys.json}}"),
        scope("{issuer: a, audience: [b], jwks: {file: keys.json}, algorithms: [ES256]}"),
        scope("{issuer: a, audience: [b], jwks: {file: keys.json}, leeway: 1}"),
        scope("{issuer: a, audience: [b], jwks: {url: 'https://a.example/'}}"),
        scope(base, {"keys.json": jwks(jwk("ed"))}),
    ]

    assert scope(base) == scope(base)
    assert len({scope(base), *others}) == 7


def test_the_part_knows_what_any_policy_emits_and_uses() -> None:
    one = policy(f"identity: [{JWT}]\ndecide: authenticated\nemit: {{x-user: sub}}")
    two = policy(
        f"identity: [{JWT}]\ndecide: authenticated\nemit: {{x-user: sub, x-org: org.id}}",
        "two",
        "[{host: two.example}]",
    )
    snapshot = build(bundle(one, two), [AuthSection()])

    assert isinstance(snapshot, Snapshot)
    assert snapshot.parts["auth"] == AuthPart(
        ("x-org", "x-user"), ("org.id", "sub"), ("x_org", "x_user")
    )


OK = "decide: authenticated"
ONE = f"identity: [{JWT}]"

PROBLEMS: dict[str, tuple[str, str, str]] = {
    # block, where, and what the message says
    "no identity": (OK, "0.yaml:6:3: auth", "at least one entry"),
    "an empty list": (f"identity: []\n{OK}", "0.yaml:6:13: auth.identity", "at least one entry"),
    "no decision": (ONE, "0.yaml:6:3: auth", "expected `authenticated`"),
    "an unknown decision": (f"{ONE}\ndecide: authentic", "0.yaml:7:11: auth.decide", "expected"),
    "an unknown key": (f"{ONE}\n{OK}\nonEror: allow", "0.yaml:8:3: auth.onEror", "onError"),
    "two kinds in one entry": (
        f"identity:\n  - {JWT}\n    anonymous: {{}}\n{OK}",
        "0.yaml:7:7: auth.identity[0]",
        "exactly one of `jwt`, `anonymous`",
    ),
    "an entry of no kind": (
        f"identity: [{{}}]\n{OK}",
        "0.yaml:6:14: auth.identity[0]",
        "exactly one of",
    ),
    "an unknown kind": (
        f"identity: [apikey: {{}}]\n{OK}",
        "0.yaml:6:14: auth.identity[0].apikey",
        "unknown key",
    ),
    "anonymous before the end": (
        f"identity: [anonymous: {{}}, {JWT}]\n{OK}",
        "0.yaml:6:14: auth.identity[0]",
        "last",
    ),
    "no issuer": (
        f"identity: [jwt: {{audience: [a], jwks: {{file: keys.json}}}}]\n{OK}",
        "auth.identity[0].jwt",
        "`issuer`",
    ),
    "an empty issuer": (
        f"identity: [jwt: {{issuer: '', audience: [a], jwks: {{file: keys.json}}}}]\n{OK}",
        "0.yaml:6:28: auth.identity[0].jwt.issuer",
        "expected",
    ),
    "an issuer with a space": (
        f"identity: [jwt: {{issuer: 'a b', audience: [a], jwks: {{file: keys.json}}}}]\n{OK}",
        "0.yaml:6:28: auth.identity[0].jwt.issuer",
        "visible ASCII",
    ),
    "an empty audience": (
        f"identity: [jwt: {{issuer: a, audience: [], jwks: {{file: keys.json}}}}]\n{OK}",
        "auth.identity[0].jwt.audience",
        "at least 1",
    ),
    "an audience that is empty text": (
        f"identity: [jwt: {{issuer: a, audience: [''], jwks: {{file: keys.json}}}}]\n{OK}",
        "auth.identity[0].jwt.audience[0]",
        "empty text",
    ),
    "an audience that is no list": (
        f"identity: [jwt: {{issuer: a, audience: a, jwks: {{file: keys.json}}}}]\n{OK}",
        "auth.identity[0].jwt.audience",
        "a list",
    ),
    "no keys": (
        f"identity: [jwt: {{issuer: a, audience: [a]}}]\n{OK}",
        "auth.identity[0].jwt",
        "`jwks`",
    ),
    "keys from nowhere": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{}}}}]\n{OK}",
        "auth.identity[0].jwt.jwks",
        "exactly one of `file`, `url`",
    ),
    "keys from two places": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{file: keys.json, url: u}}}}]\n{OK}",
        "auth.identity[0].jwt.jwks",
        "exactly one of `file`, `url`",
    ),
    "a file that is not there": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{file: none.json}}}}]\n{OK}",
        "auth.identity[0].jwt.jwks.file",
        "found no `none.json`",
    ),
    "a file outside": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{file: ../keys.json}}}}]\n{OK}",
        "auth.identity[0].jwt.jwks.file",
        "found no `../keys.json`",
    ),
    "a file without keys": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{file: empty.json}}}}]\n{OK}",
        "auth.identity[0].jwt.jwks.file",
        "no key in it can verify",
    ),
    "a URL of another scheme": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{url: 'file:///etc/passwd'}}}}]\n{OK}",
        "auth.identity[0].jwt.jwks.url",
        "https://",
    ),
    "a URL with a password": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{url: 'https://u:p@a/'}}}}]\n{OK}",
        "auth.identity[0].jwt.jwks.url",
        "without user",
    ),
    "a URL without host": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{url: 'https:///keys'}}}}]\n{OK}",
        "auth.identity[0].jwt.jwks.url",
        "https://",
    ),
    "a URL with a port that is none": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{url: 'https://a:b/'}}}}]\n{OK}",
        "auth.identity[0].jwt.jwks.url",
        "https://",
    ),
    "an unknown algorithm": (
        f"identity:\n  - jwt:\n      algorithms: [es256]\n      issuer: a\n"
        f"      audience: [a]\n      jwks: {{file: keys.json}}\n{OK}",
        "0.yaml:8:22: auth.identity[0].jwt.algorithms[0]",
        "did you mean `ES256`",
    ),
    "algorithm none": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{file: keys.json}}, "
        f"algorithms: [none]}}]\n{OK}",
        "auth.identity[0].jwt.algorithms[0]",
        "can also sign",
    ),
    "an HMAC algorithm": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{file: keys.json}}, "
        f"algorithms: [ES256, HS256]}}]\n{OK}",
        "auth.identity[0].jwt.algorithms[1]",
        "can also sign",
    ),
    "no algorithm": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{file: keys.json}}, "
        f"algorithms: []}}]\n{OK}",
        "auth.identity[0].jwt.algorithms",
        "at least 1",
    ),
    "a leeway of days": (
        f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{file: keys.json}}, "
        f"leeway: 86400}}]\n{OK}",
        "auth.identity[0].jwt.leeway",
        "at most 600",
    ),
    "emit in capitals": (
        f"{ONE}\n{OK}\nemit: {{X-User: sub}}",
        "0.yaml:8:10: auth.emit.X-User",
        "did you mean `x-user`",
    ),
    "emit of a pseudo-header": (
        f"{ONE}\n{OK}\nemit: {{':path': sub}}",
        "auth.emit.:path",
        "not a header name",
    ),
    "emit of the host": (f"{ONE}\n{OK}\nemit: {{host: sub}}", "auth.emit.host", "the proxy"),
    "emit of a length": (
        f"{ONE}\n{OK}\nemit: {{content-length: sub}}",
        "auth.emit.content-length",
        "the proxy",
    ),
    "emit of a hop-by-hop header": (
        f"{ONE}\n{OK}\nemit: {{connection: sub}}",
        "auth.emit.connection",
        "hop-by-hop",
    ),
    "emit of Envoy's header": (
        f"{ONE}\n{OK}\nemit: {{x-envoy-user: sub}}",
        "auth.emit.x-envoy-user",
        "Envoy's own",
    ),
    "emit of no header": (
        f"{ONE}\n{OK}\nemit: {{x user: sub}}",
        "auth.emit.x user",
        "not a header",
    ),
    "emit of nothing": (f"{ONE}\n{OK}\nemit: {{x-user: ''}}", "auth.emit.x-user", "identity field"),
    "an unknown onError": (
        f"{ONE}\n{OK}\nonError: deny",
        "0.yaml:8:12: auth.onError",
        "`allow` or `deny(NNN)`",
    ),
    "onError that is no refusal": (
        f"{ONE}\n{OK}\nonError: deny(200)",
        "auth.onError",
        "400 to 511",
    ),
    "onError of an unknown status": (
        f"{ONE}\n{OK}\nonError: deny(499)",
        "auth.onError",
        "400 to 511",
    ),
    "an unknown mode": (f"{ONE}\n{OK}\nmode: shadw", "auth.mode", "shadow"),
    "an OPA path with data": (
        f"{ONE}\ndecide: {{opa: data.shop.allow}}",
        "auth.decide.opa",
        "expected",
    ),
    "Rego without entrypoint": (f"{ONE}\ndecide: {{rego: rego}}", "auth.decide", "`entrypoint`"),
    "Rego from an empty folder": (
        f"{ONE}\ndecide: {{rego: nowhere, entrypoint: a/b}}",
        "0.yaml:7:18: auth.decide.rego",
        "found none in `nowhere`",
    ),
    "Rego with tests only": (
        f"{ONE}\ndecide: {{rego: tests, entrypoint: a/b}}",
        "auth.decide.rego",
        "found none in `tests`",
    ),
    "Rego with data that is not there": (
        f"{ONE}\ndecide: {{rego: rego, entrypoint: shop/allow, data: none.json}}",
        "auth.decide.data",
        "found no `none.json`",
    ),
    "Rego without a plan": (
        f"{ONE}\ndecide: {{rego: rego, entrypoint: shop/allow}}",
        "0.yaml:7:18: auth.decide.rego",
        "found no `.compiled/",
    ),
    "a block that is a text": ("authenticated", "0.yaml:6:3: auth", "a mapping"),
}
FILES = {
    "empty.json": b'{"keys": []}',
    "rego/shop.rego": b"package shop\n",
    "tests/shop_test.rego": b"package shop\n",
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_mistake_is_a_problem_at_its_place(name: str) -> None:
    block, where, message = PROBLEMS[name]

    found = problems(policy(block), files=FILES)

    assert len(found) == 1, found
    assert where in found[0]
    assert message in found[0]


def test_the_table_has_all_its_rows() -> None:
    assert len(PROBLEMS) == 49


def test_all_problems_are_told_at_once() -> None:
    block = """
identity:
  - jwt: {issuer: '', audience: [], jwks: {file: keys.json}}
decide: authenticated
"""
    assert len(problems(policy(block))) == 2
    block = """
identity:
  - jwt: {issuer: 'a b', audience: [''], jwks: {file: none}, algorithms: [x]}
  - {}
decide: {rego: nowhere, entrypoint: a/b}
emit: {Host: ''}
onError: never
"""
    assert len(problems(policy(block))) == 9


def test_a_key_set_is_not_shown_in_a_problem() -> None:
    secret: dict[str, Any] = {"keys": [{"kty": "oct", "k": "c2VjcmV0LXZhbHVl"}]}
    block = f"identity: [jwt: {{issuer: a, audience: [a], jwks: {{file: s.json}}}}]\n{OK}"

    found = problems(policy(block), files={"s.json": json.dumps(secret).encode()})

    assert "c2VjcmV0LXZhbHVl" not in str(found)


# --- body and compat ---

OPEN = "identity: [anonymous: {}]\ndecide: {opa: shop/allow}\n"


def rules_of(written: str, files: Mapping[str, bytes] | None = None) -> tuple[bool, BodyRules]:
    block = compiled(policy(OPEN + written), files=files)
    assert isinstance(block.decider, ByOpa)
    builder = block.decider.builder
    return block.compat, builder.rules.body


def test_bodies_are_read_by_default_and_as_written() -> None:
    assert rules_of("") == (False, BodyRules(True, 64 * 1024, None, None))
    assert rules_of("body: {max: 2MiB, over: deny(413)}")[1] == BodyRules(True, 2 << 20, 413)
    assert rules_of("body: {max: 100B}")[1].most == 100
    assert rules_of("body: {parse: false}")[1].parse is False
    _, rules = rules_of("body: {descriptors: books.pb}", {"books.pb": descriptor_set()})
    assert rules.methods is not None
    assert len(rules.methods) == 4


def test_compat_is_the_plugins_and_bounded_by_the_message_alone() -> None:
    assert rules_of("compat: opa-envoy") == (True, BodyRules(True, None, None, None))
    assert rules_of("compat: opa-envoy\nbody: {max: 1KiB}")[1].most == 1024


def test_a_descriptor_set_is_read_once_for_all_policies() -> None:
    section = AuthSection()
    files = {"books.pb": descriptor_set()}
    written = OPEN + "body: {descriptors: books.pb}"
    made = []
    for host in ("a", "b"):
        snapshot = build(bundle(policy(written, on=f"[{{host: {host}}}]"), files=files), [section])
        assert isinstance(snapshot, Snapshot), snapshot
        effective = snapshot.policies.choose(host, "/", "GET")
        assert isinstance(effective, Effective)
        block = effective.block("auth")
        assert isinstance(block, CompiledAuth)
        assert isinstance(block.decider, ByOpa)
        made.append(block.decider.builder.rules.body.methods)

    assert made[0] is made[1] is not None


BODY_PROBLEMS = {
    "body: {max: 64 KB}": "auth.body.max: expected a size such as `64KiB`, found `64 KB`",
    "body: {max: -1KiB}": "auth.body.max: expected a size such as `64KiB`, found `-1KiB`",
    "body: {over: allow}": (
        "auth.body.over: expected `flag` or `deny(NNN)` with an HTTP status from 400 to 511, "
        "found `allow`"
    ),
    "body: {over: deny(200)}": "found `deny(200)`",
    "compat: opa-envoy\nbody: {over: deny(413)}": (
        "auth.body.over: expected `flag`: opa-envoy-plugin leaves it to the policy"
    ),
    "body: {descriptors: gone.pb}": (
        "auth.body.descriptors: expected a file of the bundle, found no `gone.pb`"
    ),
    "body: {descriptors: keys.json}": (
        "auth.body.descriptors: expected a descriptor set in `keys.json`: "
        "it is no FileDescriptorSet"
    ),
    "body: {parse: maybe}": "auth.body.parse: expected",
    "body: {limit: 1}": "auth.body.limit: expected one of descriptors, max, over, parse",
    "compat: opa": "auth.compat: expected",
}


@pytest.mark.parametrize("written", BODY_PROBLEMS)
def test_a_body_block_with_a_mistake_says_where(written: str) -> None:
    found = build(bundle(policy(OPEN + written)), [AuthSection()])

    assert isinstance(found, Rejected)
    assert BODY_PROBLEMS[written] in str(found.problems[0])


def test_the_table_of_body_problems_has_all_its_rows() -> None:
    assert len(BODY_PROBLEMS) == 10
