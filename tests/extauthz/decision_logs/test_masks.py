"""What the default masks take out of an event, without a service around them."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.observe.secrets import MASK
from extauthz.decision_logs.defaults import Masks

_SECRET = "Pl4nted0secret"


def _masked(**parts: Any) -> dict[str, Any]:
    event = dict(parts)
    Masks().mask(event)
    return event


def test_an_object_of_which_everything_is_erased_stays_empty() -> None:
    event = _masked(input={"a": {"authorization": _SECRET, "cookie": _SECRET, "token": _SECRET}})
    assert event["input"] == {"a": {}}
    assert event["erased"] == ["/input/a/authorization", "/input/a/cookie", "/input/a/token"]


def test_what_is_masked_is_copied_and_all_else_is_the_same() -> None:
    claims = {"sub": "alice", "access_token": _SECRET, "groups": ["a", "b"]}
    before = copy.deepcopy(claims)
    event = _masked(input={"identity": claims}, result=True)
    assert claims == before
    assert event["input"]["identity"] == {"sub": "alice", "groups": ["a", "b"]}
    assert event["input"]["identity"]["groups"] is claims["groups"]


@pytest.mark.parametrize("at", ["source", "destination"])
def test_of_a_peer_only_the_address_is_not_looked_at(at: str) -> None:
    peer = {"address": {"socketAddress": {"address": "10.0.0.1"}}, "labels": {"password": _SECRET}}
    event = _masked(input={"attributes": {at: {**peer, "principal": f"https://u:{_SECRET}@x/"}}})
    assert _SECRET not in str(event)
    assert event["input"]["attributes"][at]["address"] == peer["address"]


_TEXTS = st.lists(
    st.sampled_from(
        ["Bearer ", "basic\t", "eyJhbGciOiJFUzI1NiJ9.e.s", "://u:p@h/", "?token=", "&sig=", "x",
         "-----BEGIN RSA PRIVATE KEY-----", "?", "a=b", " ", "@", "abcdefgh"]
    ),
    max_size=6,
).map("".join)  # fmt: skip


@given(st.lists(_TEXTS, max_size=5))
def test_a_text_is_masked_alike_wherever_it_stands(texts: list[str]) -> None:
    """In a field, an element and alone: what is passed over quickly holds nothing to mask."""
    masks = Masks()
    whole = {f"n{n}": text for n, text in enumerate(texts)}
    event: dict[str, Any] = {"input": {"fields": whole, "elements": texts}, "result": texts[:1]}
    masks.mask(event)
    wanted = [masks._masked_text(text) for text in texts]
    assert list(event["input"]["fields"].values()) == wanted
    assert event["input"]["elements"] == wanted
    assert event["result"] == wanted[:1]


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\u00a0", "\u2003"])
def test_a_credential_behind_any_white_space_is_masked(blank: str) -> None:
    text = f"basic{blank}{_SECRET}"
    event = _masked(input={"fields": {"x-note": text}, "elements": [text]}, result=[text])
    assert _SECRET not in str(event)


def test_what_is_nested_too_deeply_is_not_shown() -> None:
    deep: Any = _SECRET
    for _ in range(300):
        deep = [{"x": deep}]
    event = _masked(input=deep)
    assert _SECRET not in str(event)
    assert MASK in str(event)
