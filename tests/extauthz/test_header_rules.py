import pytest

from extauthz.header_rules import is_name, is_value, why_not_settable

FORBIDDEN = [
    "",
    ":path",
    ":authority",
    "host",
    "content-length",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
    "proxy-authorization",
    "x-envoy-original-path",
    "x-envoy-",
    "x user",
    "x\tuser",
    "x\r\nuser",
    "x:user",
    "ü",
    "a" * 257,
]


@pytest.mark.parametrize("name", FORBIDDEN, ids=repr)
def test_a_header_that_nobody_may_set(name: str) -> None:
    assert why_not_settable(name)


@pytest.mark.parametrize("name", ["x-user", "authorization", "x_user", "1", "!#$%&'*+-.^_`|~"])
def test_a_header_that_may_be_set(name: str) -> None:
    assert is_name(name)
    assert why_not_settable(name) == ""


@pytest.mark.parametrize("value", ["", "a b", "tab\there", "é", "a" * 32768, '"quoted", list'])
def test_a_value_that_a_header_can_have(value: str) -> None:
    assert is_value(value)


@pytest.mark.parametrize(
    "value", ["a\r\nb: c", "a\nb", "a\rb", "\0", "\x7f", "\x0b", "\ud800", "a" * 32769], ids=repr
)
def test_a_value_that_no_header_can_have(value: str) -> None:
    assert not is_value(value)
