"""What may be shown of a request: nothing that decision logs would mask, in no other clothes."""

import base64
from typing import Any

import pytest

from callout.observe.secrets import MASK
from extauthz.decision_logs.defaults import Masks
from extauthz.explain.visible import Visible

KEY = "Hush-4711-Quiet"
DOCUMENT: dict[str, Any] = {
    "attributes": {
        "request": {
            "http": {
                "method": "GET",
                "path": "/orders/9?token=Zauberwort&page=3",
                "headers": {
                    "x-api-key": KEY,
                    "cookie": "session=Kekskruemel; theme=dark",
                    "accept": "text/html",
                },
            }
        }
    },
    "path": "/orders/9",
    "parsed_body": {"pin": 83021, "card": "4000 1234"},
    "identity": {"sub": "alice", "roles": ["clerk", "admin"]},
}
POLICY = b'package shop\nmessage := sprintf("no %v for %v", [input.path, input.identity.sub])\n'


def visible(document: dict[str, Any] = DOCUMENT, data: Any = None) -> Visible:
    event: dict[str, Any] = {"input": document}
    Masks().mask(event)
    return Visible(document, event["input"], data or {}, [POLICY])


HTTP = ("attributes", "request", "http")
PLACES: tuple[tuple[tuple[str | int, ...], Any], ...] = (
    ((*HTTP, "method"), "GET"),
    ((*HTTP, "headers", "x-api-key"), MASK),
    ((*HTTP, "headers", "cookie"), MASK),
    ((*HTTP, "headers", "accept"), "text/html"),
    ((*HTTP, "path"), "/orders/9?token=***&page=3"),
    (("parsed_body", "pin"), MASK),
    (("parsed_body",), MASK),
    (("identity", "roles", 1), "admin"),
    (("identity", "roles", 7), MASK),
    (("nothing",), MASK),
)


@pytest.mark.parametrize(("path", "shown"), PLACES, ids=str)
def test_a_part_of_the_input_is_shown_as_decision_logs_show_it(
    path: tuple[str | int, ...], shown: Any
) -> None:
    assert visible().at(path) == shown


HIDDEN: tuple[Any, ...] = (
    KEY,
    KEY.lower(),
    KEY.upper(),
    KEY[::-1],
    KEY[:6],
    f"key {KEY}",
    base64.b64encode(KEY.encode()).decode(),
    KEY.encode().hex(),
    "Kekskruemel",
    "session=Kekskruemel",
    "Zauberwort",
    83021,
    83022,
    "pin 83021",
    "4000 1234",
    "4000",
    "4711",
)


@pytest.mark.parametrize("made", HIDDEN, ids=str)
def test_what_a_policy_made_of_a_secret_is_hidden(made: Any) -> None:
    assert visible().made(made) == MASK
    assert visible().made([made]) == [MASK]
    assert str(made) not in str(visible().made({"a": {"b": made}}))
    assert str(made) not in str(visible().made({made: 1}))


SHOWN: tuple[Any, ...] = (
    "orders",
    "/orders/9",
    "ORDERS",
    ["orders", "9"],
    9,
    True,
    None,
    "",
    "alice",
    ["clerk", "admin"],
    "no /orders/9 for alice",
)


@pytest.mark.parametrize("made", SHOWN, ids=str)
def test_what_can_be_read_off_the_visible_is_shown(made: Any) -> None:
    assert visible().made(made) == made


def test_where_nothing_is_hidden_all_is_shown() -> None:
    document = {"path": "/a"}
    assert not visible(document).hides
    assert visible(document).made({"any": ["thing", 4711]}) == {"any": ["thing", 4711]}


def test_what_is_named_like_a_secret_is_hidden_all_the_same() -> None:
    assert visible({"path": "/a"}).made("whatever", "client_secret") == MASK
    assert visible({"path": "/a"}).made({"password": "x"}) == {"password": MASK}


def test_what_looks_like_a_token_is_hidden_all_the_same() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"
    assert token not in visible({"path": "/a"}).made(f"x {token}")


def test_secrets_of_the_data_are_hidden() -> None:
    shown = visible({"path": "/a"}, {"clients": {"one": {"api_key": "Datenschluessel"}}})
    assert shown.made("Datenschluessel") == MASK
    assert shown.made("one") == "one"


def test_where_decision_logs_show_nothing_nothing_is_shown() -> None:
    shown = Visible(DOCUMENT, None, {}, [POLICY])
    assert shown.at(("path",)) == MASK
    assert shown.made("/orders/9") == MASK


def test_long_texts_are_shortened() -> None:
    assert len(visible({"a": "x" * 5000}).at(("a",))) < 600
    assert len(visible({"a": "x" * 5000}).made("x" * 5000)) < 600
