"""Headers about limits as a client gets them through a real Envoy: each once."""

import http.client
from collections.abc import Callable

import pytest

from tests.end_to_end.conftest import Up

ENVOYS = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}


def asked(up: Up) -> tuple[int, list[tuple[str, str]]]:
    """All of one answer about limits, repetitions too."""
    connection = http.client.HTTPConnection(up.address, timeout=10)
    connection.request("GET", "/search?q=tea", headers={"host": "shop.example"})
    response = connection.getresponse()
    response.read()
    connection.close()
    found = [(name.lower(), value) for name, value in response.getheaders()]
    return response.status, [each for each in found if "ratelimit-" in each[0] or each[0] in OURS]


OURS = ("retry-after", "ratelimit")


@pytest.mark.parametrize(
    ("kind", "passed", "refused"),
    [
        ("retry-after", set(), {"retry-after"}),
        (
            "draft-03",
            {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"},
            {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"},
        ),
        (
            "ietf",
            {"ratelimit-policy", "ratelimit"},
            {"ratelimit-policy", "ratelimit", "retry-after"},
        ),
    ],
)
def test_each_header_comes_once_and_says_what_envoy_says(
    kind: str, passed: set[str], refused: set[str], start_up: Callable[..., Up]
) -> None:
    environ = {} if kind == "retry-after" else {"GATEWRIGHT_ANSWERS__HEADERS": kind}
    up = start_up(environ=environ)
    # A minute may end in between: five pass in each.
    answers = [asked(up) for _ in range(11)]
    first = next(found for status, found in answers if status == 200)
    last = next(found for status, found in answers if status == 429)
    for found, ours in ((first, passed), (last, refused)):
        assert sorted(name for name, _ in found) == sorted(ENVOYS | ours)
    told = dict(last)
    assert told["retry-after"] == told["x-ratelimit-reset"]
    assert 1 <= int(told["retry-after"]) <= 60
    if kind == "draft-03":
        assert dict(first)["ratelimit-remaining"] == dict(first)["x-ratelimit-remaining"]
    if kind == "ietf":
        name, _, rest = told["ratelimit-policy"].partition(";")
        assert rest == "q=5;w=60"
        assert told["ratelimit"] == f"{name};r=0;t={told['retry-after']}"


def test_the_upstream_is_told_by_names_that_the_operator_gave(start_up: Callable[..., Up]) -> None:
    # Among the few that the sample upstream shows.
    names = {"LIMIT": "x-shop-user", "REMAINING": "x-shop-role", "RESET": "x-shop-org"}
    environ = {f"GATEWRIGHT_ANSWERS__UPSTREAM_NAMES__{key}": name for key, name in names.items()}
    up = start_up(environ={"GATEWRIGHT_ANSWERS__UPSTREAM": "true", **environ})

    answer = up.request("/search?q=tea")

    seen = answer.seen["headers"]
    assert seen["x-shop-user"] == "5"
    assert seen["x-shop-role"] == answer.headers["x-ratelimit-remaining"]
    assert 1 <= int(seen["x-shop-org"]) <= 60
    assert not set(names.values()) & set(answer.headers)
