"""Macros in the arguments of operators and actions."""

import pytest

from tests.waf.engine import head, rules, run, tx
from waf.macros import has_macro, split_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%{REQUEST_METHOD}", b"GET"),
        ("<%{ARGS.a}|%{args:b}>", b"<1|2>"),
        ("%{REQUEST_HEADERS.Host}", b"example.com"),
        ("%{ARGS.none}", b""),
        ("100%", b"100%"),
        ("%{tx.a}%{TX.A}", b"xx"),
    ],
)
def test_a_macro_stands_for_the_first_value_that_is_found(text: str, expected: bytes) -> None:
    loaded = rules(
        f'SecRule ARGS:a "@rx ." "id:1,phase:1,pass,setvar:tx.a=x,setvar:\'tx.v={text}\'"'
    )

    assert tx(run(loaded, head(b"/?a=1&b=2")), "v") == expected


def test_an_operator_is_made_anew_for_each_value_of_its_macro() -> None:
    loaded = rules('SecRule ARGS:a "@streq %{ARGS.b}" "id:1,phase:1,deny"')

    for number in range(200):  # more than are kept
        target = b"/?a=%d&b=%d" % (number, number)
        assert run(loaded, head(target)).interruption is not None
        assert run(loaded, head(target + b"0")).interruption is None


def test_what_a_client_makes_of_an_operators_argument_does_not_match() -> None:
    loaded = rules('SecRule ARGS:a "@rx %{ARGS.b}" "id:1,phase:1,deny"')

    assert run(loaded, head(b"/?a=x&b=(")).interruption is None
    assert run(loaded, head(b"/?a=x&b=x")).interruption is not None


def test_names_are_split_at_the_first_dot_or_colon() -> None:
    assert split_name("tx.a.b") == ("TX", "a.b")
    assert split_name("ARGS:a.b") == ("ARGS", "a.b")
    assert split_name("remote_addr") == ("REMOTE_ADDR", None)
    assert has_macro("a%{b}")
    assert not has_macro("%{}")
