from decimal import Decimal
from typing import Any

import pytest

from extauthz.emit import AuthPart, Emission, aliases, emission, field_text
from extauthz.identity.anonymous import ANONYMOUS
from extauthz.identity.contract import Identity

CLAIMS: dict[str, Any] = {
    "sub": "alice",
    "empty": "",
    "n": 7,
    "d": Decimal("1.50"),
    "yes": True,
    "no": False,
    "null": None,
    "list": ["a", "b"],
    "org": {"id": "acme", "unit": {"id": 3}},
    "https://idp.example/tenant": "t1",
    "a.b": "flat",
    "a": {"b": "nested"},
}

FIELDS = {
    "sub": "alice",
    "empty": "",
    "n": "7",
    "d": "1.50",
    "yes": "true",
    "no": "false",
    "null": "",
    "list": "",
    "list.0": "",
    "org": "",
    "org.id": "acme",
    "org.unit.id": "3",
    "org.nope": "",
    "org.id.deeper": "",
    "nope": "",
    "nope.nope": "",
    "https://idp.example/tenant": "t1",
    "a.b": "flat",
    "": "",
    ".": "",
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_an_identity_has_one_text(name: str) -> None:
    assert field_text(CLAIMS, name) == FIELDS[name]


PART = AuthPart(("x-a", "x-b", "x-c"), ("org.id", "sub"))
TABLE = (("x-a", "sub"), ("x-b", "nope"))


def test_headers_are_set_or_removed_and_fields_are_those_in_use() -> None:
    found = emission(Identity(CLAIMS), TABLE, PART)

    assert found == Emission((("x-a", "alice"),), ("x-b", "x-c"), '{"org.id":"acme","sub":"alice"}')


def test_spellings_that_an_upstream_takes_for_the_same_header() -> None:
    assert aliases(()) == aliases(("user",)) == ()
    assert aliases(("x-user", "x-auth-id")) == (
        "x-auth_id",
        "x_auth-id",
        "x_auth_id",
        "x_user",
    )
    assert aliases(("x-user", "x_user")) == ()
    assert aliases(("x_user",)) == ("x-user",)
    assert aliases(("a-b-c-d-e-f-g",)) == ("a_b_c_d_e_f_g",)


def test_other_spellings_are_removed_whoever_asks() -> None:
    part = AuthPart(("x-a", "x-b"), (), ("x_a", "x_b"))

    assert part.nobody.remove == ("x-a", "x-b", "x_a", "x_b")
    found = emission(Identity(CLAIMS), (("x-a", "sub"),), part)
    assert found == Emission((("x-a", "alice"),), ("x-b", "x_a", "x_b"), "")


def test_nobody_has_all_headers_removed() -> None:
    assert emission(ANONYMOUS, TABLE, PART) == PART.nobody == Emission((), PART.emitted, "")


@pytest.mark.parametrize(
    "value", ["a\r\nx-b: 1", "\0", "a" * 40_000, " alice", "alice\t", " "], ids=repr
)
def test_a_value_that_no_header_can_carry_makes_no_emission(value: str) -> None:
    assert emission(Identity({"sub": value}), TABLE, PART) is None


def test_what_is_remembered_is_for_one_table_and_one_part() -> None:
    alice = Identity(CLAIMS)
    other_part = AuthPart(("x-a",), ())
    other_table = (("x-a", "n"),)

    first = emission(alice, TABLE, PART)
    assert emission(alice, TABLE, PART) is first
    assert emission(alice, other_table, PART) == Emission(
        (("x-a", "7"),), ("x-b", "x-c"), '{"org.id":"acme","sub":"alice"}'
    )
    assert emission(alice, TABLE, other_part) == Emission((("x-a", "alice"),), (), "")
    assert emission(alice, TABLE, PART) == first
    assert ANONYMOUS.memo == []
