"""CheckResponses, as bytes that Envoy will read (extauthz.md 5.1 to 5.11)."""

from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.written import STATUSES
from extauthz.answer import DECISION_ID_LENGTH, respond
from extauthz.outcome import Allow, Deny, Failed

ID = "01234567-89ab-8def-8123-456789abcdef"
OVERWRITE = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
APPEND = base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


def answer(sent: Any, policy: str = "shop", identity: str = "") -> Any:
    return external_auth_pb2.CheckResponse.FromString(respond(sent, policy, identity, ID))


def metadata(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(response.dynamic_metadata)
    return found


def test_an_allowance_says_ok_and_what_to_change() -> None:
    found = answer(
        Allow(
            "rego",
            headers=(("x-user", "alice"), ("x-org", "")),
            remove=("x-role",),
            response_headers=(("x-frame-options", "DENY"), ("set-cookie", "a=1")),
            query_set=(("a b", "x&y=z"),),
            query_remove=("c d",),
        ),
        identity='{"sub":"alice"}',
    )

    assert found.status.code == 0
    assert found.WhichOneof("http_response") == "ok_response"
    ok = found.ok_response
    assert [(one.header.key, one.header.value) for one in ok.headers] == [
        ("x-user", "alice"),
        ("x-org", ""),
    ]
    for one in ok.headers:
        assert one.HasField("append")
        assert one.append.value is False
        assert one.append_action == OVERWRITE
        assert not one.header.raw_value
    assert list(ok.headers_to_remove) == ["x-role"]
    assert [(one.header.key, one.append_action) for one in ok.response_headers_to_add] == [
        ("x-frame-options", OVERWRITE),
        ("set-cookie", APPEND),
    ]
    assert [(one.key, one.value) for one in ok.query_parameters_to_set] == [("a%20b", "x%26y%3Dz")]
    assert list(ok.query_parameters_to_remove) == ["c%20d"]
    assert not ok.HasField("dynamic_metadata")
    assert metadata(found) == {"policy": "shop", "id": '{"sub":"alice"}', "decision_id": ID}


def test_a_denial_says_permission_denied_and_what_the_client_gets() -> None:
    found = answer(
        Deny("rego", 409, (("set-cookie", "a=1"), ("set-cookie", "b=2")), "no tea", {"why": [1]})
    )

    assert found.status.code == 7
    assert found.WhichOneof("http_response") == "denied_response"
    assert found.denied_response.status.code == 409
    assert found.denied_response.body == "no tea"
    assert [one.header.value for one in found.denied_response.headers] == ["a=1", "b=2"]
    assert metadata(found) == {"policy": "shop", "why": [1.0], "decision_id": ID}


def test_a_policy_cannot_write_the_metadata_that_is_ours() -> None:
    forged = {"policy": "p", "id": "root", "decision_id": "x", "mine": True}

    for sent in (Allow("rego", metadata=forged), Deny("rego", metadata=forged)):
        assert metadata(answer(sent, "shop", "")) == {
            "policy": "shop",
            "mine": True,
            "decision_id": ID,
        }
        assert metadata(answer(sent, "", "alice")) == {
            "id": "alice",
            "mine": True,
            "decision_id": ID,
        }


def test_under_compat_the_metadata_are_the_policys_but_for_the_decision_id() -> None:
    said = {"policy": "p", "id": "root", "decision_id": "x"}

    for sent in (Allow("rego", metadata=said, compat=True), Deny("rego", 403, (), "", said, True)):
        found = metadata(answer(sent, "shop", "alice"))
        assert found == {"policy": "p", "id": "root", "decision_id": ID}


def test_each_answer_has_its_own_decision_id() -> None:
    first = respond(Allow("a"), "shop", "", "a" * DECISION_ID_LENGTH)
    second = respond(Allow("a"), "shop", "", "b" * DECISION_ID_LENGTH)

    assert first[:-DECISION_ID_LENGTH] == second[:-DECISION_ID_LENGTH]
    assert first.endswith(b"a" * DECISION_ID_LENGTH)
    assert second.endswith(b"b" * DECISION_ID_LENGTH)


UNSAFE = {
    "line break in a request header": Allow("x", (("x-a", "1\r\nx-admin: 1"),)),
    "control character": Allow("x", (("x-a", "\0"),)),
    "lone surrogate": Allow("x", (("x-a", "\ud800"),)),
    "pseudo-header": Allow("x", ((":path", "/hijack"),)),
    "host": Allow("x", (("host", "evil"),)),
    "hop-by-hop": Allow("x", (("connection", "x-a"),)),
    "Envoy's own": Allow("x", (("x-envoy-original-path", "/"),)),
    "content-length": Allow("x", (("content-length", "0"),)),
    "not a name": Allow("x", (("x a", "1"),)),
    "empty name": Allow("x", (("", "1"),)),
    "upper case": Allow("x", (("X-A", "1"),)),
    "a name twice": Allow("x", (("x-a", "1"), ("x-a", "2"))),
    "set and removed": Allow("x", (("x-a", "1"),), ("x-a",)),
    "response header": Allow("x", response_headers=(("x-a", "\n"),)),
    "response pseudo-header": Allow("x", response_headers=((":status", "200"),)),
    "removal of nothing": Allow("x", remove=("",)),
    "removal with a surrogate": Allow("x", remove=("\ud800",)),
    "query with a surrogate": Allow("x", query_set=(("a", "\ud800"),)),
    "query removal with a surrogate": Allow("x", query_remove=("\ud800",)),
    "denied header": Deny("x", 403, (("x-a", "a\nb"),)),
    "denied pseudo-header": Deny("x", 403, ((":status", "200"),)),
    "denied status 0": Deny("x", 0),
    "denied status 100": Deny("x", 100),
    "denied status 999": Deny("x", 999),
    "denied status below zero": Deny("x", -1),
    "denied body with a surrogate": Deny("x", 403, (), "\ud800"),
    "compat, line break": Allow("x", (("x-a", "1\r\nx: 1"),), compat=True),
    "compat, framing": Allow("x", (("transfer-encoding", "chunked"),), compat=True),
    "compat, another pseudo-header": Allow("x", ((":protocol", "x"),), compat=True),
    "compat, response pseudo-header": Allow("x", (), (), ((":path", "/"),), compat=True),
    "compat, set and removed": Allow("x", (("x-a", "1"),), ("x-a",), compat=True),
    "compat, denied framing": Deny("x", 403, (("content-length", "1"),), compat=True),
    "compat, denied status 100": Deny("x", 100, compat=True),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_what_envoy_must_not_be_told_becomes_a_denial(name: str) -> None:
    found = answer(UNSAFE[name])

    assert found.status.code == 7
    assert found.denied_response.status.code == 500
    assert not found.denied_response.headers
    assert not found.denied_response.body


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_every_known_status_is_sent(status: int) -> None:
    assert answer(Deny("x", status)).denied_response.status.code == status


def test_the_known_statuses_are_envoys() -> None:
    from envoy.type.v3 import http_status_pb2

    known = {code for code in http_status_pb2.StatusCode.values() if code >= 200}

    assert known == STATUSES


def test_what_is_neither_allowance_nor_denial_is_not_answered() -> None:
    everything: list[Any] = [Failed("x"), None, True, (), ("x",), 0, "allow"]
    for sent in everything:
        with pytest.raises(AttributeError):
            respond(sent, "shop", "", ID)


def test_answers_of_equal_content_are_not_mistaken_for_each_other() -> None:
    """Named tuples of one content are equal; the memory of answers must not fall for it."""
    allow, deny = Allow("x", (), (), (), ()), Deny("x", 403, (), "")
    for _ in range(3):
        assert answer(deny).status.code == 7
        assert answer(allow).status.code == 0
    assert answer(Deny("x", (), (), "")).status.code == 7  # type: ignore[arg-type]


TEXT = st.text(max_size=8) | st.sampled_from(
    ["x-a", "x-b", "host", ":path", "a\r\nb", "set-cookie"]
)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=4).map(tuple)
NAMES = st.lists(TEXT, max_size=4).map(tuple)
METADATA = st.none() | st.dictionaries(TEXT.filter(str.isascii), st.booleans(), max_size=3)
ALLOWS = st.builds(Allow, TEXT, PAIRS, NAMES, PAIRS, PAIRS, NAMES, METADATA)
DENIES = st.builds(Deny, TEXT, st.integers(-10, 1000), PAIRS, TEXT, METADATA)


@settings(max_examples=300, deadline=None)
@given(ALLOWS | DENIES)
def test_only_an_allowance_gives_status_zero(sent: Allow | Deny) -> None:
    found = answer(sent)

    assert found.status.code in (0, 7)
    if found.status.code == 0:
        assert type(sent) is Allow
        assert found.WhichOneof("http_response") == "ok_response"
        for one in found.ok_response.headers:
            assert not set(one.header.value) & set("\r\n\0")
            assert one.header.key not in found.ok_response.headers_to_remove
    else:
        assert found.WhichOneof("http_response") == "denied_response"
        assert found.denied_response.status.code in STATUSES


def test_no_field_at_its_default_makes_a_denial_an_allowance() -> None:
    full: Any = Deny("x", 403, (("x-a", "1"),), "body", {"a": 1})
    tried = 0
    for name in Deny._fields:
        for default in ("", 0, (), None, False):
            changed = full._replace(**{name: default})
            try:
                found = answer(changed)
            except (TypeError, AttributeError):
                continue  # no answer at all: the service makes that a denial
            tried += 1
            assert found.status.code == 7
    assert tried > 10
