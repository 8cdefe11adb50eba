"""`io.jwt.decode_verify` remembers what it verified, and nothing that can change."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Final

import jwt as pyjwt
import pytest

from extauthz.policy.builtins import jwt
from extauthz.policy.errors import BuiltinError

_SECRET: Final = "k" * 32
_NOW: Final = 1_700_000_000
_CLAIMS: Final[dict[str, Any]] = {"iss": "i", "aud": "a", "sub": "alice", "exp": _NOW + 60}


def _token(secret: str = _SECRET, **claims: Any) -> str:
    return pyjwt.encode({**_CLAIMS, **claims}, secret, algorithm="HS256")


def _verify(token: str, wanted: Mapping[str, str] | None = None, at: int = _NOW) -> list[Any]:
    constraints = {"secret": _SECRET, "iss": "i", "aud": "a", **(wanted or {})}
    return jwt.decode_verify({"now": at * 1_000_000_000}, token, constraints)


def _remembered() -> int:
    return jwt._opened_before.cache_info().currsize


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    jwt._opened_before.cache_clear()


def test_the_same_token_is_opened_once() -> None:
    token = _token()
    first, second = _verify(token), _verify(token)
    assert first == second == [True, {"alg": "HS256", "typ": "JWT"}, _CLAIMS]
    assert jwt._opened_before.cache_info().hits == 1


def test_a_remembered_token_expires_all_the_same() -> None:
    token = _token(nbf=_NOW)
    assert _verify(token)[0] is True
    assert _verify(token, at=_NOW + 60) == [False, {}, {}]
    assert _verify(token, at=_NOW - 1) == [False, {}, {}]


@pytest.mark.parametrize("wanted", [{"secret": "x" * 32}, {"alg": "HS384"}, {"iss": "x"},
                                    {"aud": "x"}])  # fmt: skip
def test_a_remembered_token_is_good_only_for_who_asked_so(wanted: dict[str, str]) -> None:
    token = _token()
    assert _verify(token)[0] is True
    assert _verify(token, wanted) == [False, {}, {}]


def test_a_token_with_anything_changed_is_another() -> None:
    token = _token()
    assert _verify(token)[0] is True
    for place in (3, len(token) // 2, len(token) - 5):
        other = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with contextlib.suppress(BuiltinError):  # no token any more
            assert _verify(other)[0] is False


def test_who_has_no_good_token_takes_no_room() -> None:
    for number in range(20):
        assert _verify(_token("x" * 32, jti=str(number)))[0] is False
    assert _verify(_token(padding="p" * 4096))[0] is True
    assert _remembered() == 0


def test_what_is_remembered_is_bounded() -> None:
    end = time.monotonic() + 60
    for number in range(jwt.MOST_REMEMBERED + 10):
        assert _verify(_token(jti=str(number)))[0] is True
        assert time.monotonic() < end
    assert _remembered() == jwt.MOST_REMEMBERED
