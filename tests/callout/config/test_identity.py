from hypothesis import given
from hypothesis import strategies as st

from callout.config.identity import MAX_TEXT, MAX_VALUE, decode, encode, fields_in_use
from tests.callout.config.writing import source


def test_only_fields_that_some_policy_uses_are_in_use() -> None:
    policies = [
        source(
            "limits: [{name: a, by: [identity.sub, address]}, {name: b, by: [identity.org.id]}]"
        ),
        source("auth: {emit: {x-user: sub, x-role: role}}"),
        source("{}"),
    ]
    assert fields_in_use(policies) == ("org.id", "role", "sub")


def test_malformed_policies_use_nothing() -> None:
    policies = [
        source(text)
        for text in (
            "limits: 1",
            "limits: [1, {by: identity.x}, {by: [1, identityx]}]",
            "auth: 1",
            "auth: {emit: [a]}",
            "auth: {emit: {x: 1, y: null}}",
            "[]",
        )
    ]
    assert fields_in_use(policies) == ()


def test_an_identity_is_one_compact_text() -> None:
    assert encode({"sub": "alice", "org.id": "7"}) == '{"org.id":"7","sub":"alice"}'
    assert encode({}) == "{}"


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=5))
def test_what_was_encoded_is_decoded(fields: dict[str, str]) -> None:
    back = decode(encode(fields))
    assert set(back) == set(fields)
    assert all(
        back[key] == value for key, value in fields.items() if value and "sha256" not in value
    )


@given(st.text(max_size=30))
def test_junk_is_nobody(text: str) -> None:
    decoded = decode(text)
    assert all(isinstance(each, str) for pair in decoded.items() for each in pair)


def test_what_is_no_mapping_of_texts_is_nobody() -> None:
    for junk in ("", "[]", "1", '{"a":1}', '{"a":null}', "{" * 10_000, '{"a":"\ud800"}', "\x00"):
        assert decode(junk) == {}
    assert decode('{"a":"' + "x" * MAX_TEXT + '"}') == {}


def test_long_values_stay_apart_without_staying_long() -> None:
    one, two = encode({"sub": "x" * 5000 + "1"}), encode({"sub": "x" * 5000 + "2"})
    assert one != two
    assert len(one) < 100
    assert decode(encode({"sub": "x" * MAX_VALUE})) == {"sub": "x" * MAX_VALUE}


def test_nobody_can_name_themselves_as_the_hash_of_another() -> None:
    hashed = decode(encode({"sub": "x" * 5000}))["sub"]
    assert hashed.startswith("sha256:")
    assert encode({"sub": hashed}) != encode({"sub": "x" * 5000})


def test_half_a_surrogate_pair_does_no_harm() -> None:
    assert decode(encode({"sub": "\ud800"}))["sub"].startswith("sha256:")
    assert encode({"sub": "\ud800"}) != encode({"sub": "\ud801"})


def test_fields_that_choose_whom_a_limit_is_for_are_in_use() -> None:
    limits = """
limits:
  - {name: a, when: {identity.plan: [x], address: [10.0.0.0/8]}, unless: {identity.org.id: [y]}}
  - {name: b, when: [identity.no], unless: identity.no}
"""
    assert fields_in_use([source(limits)]) == ("org.id", "plan")
