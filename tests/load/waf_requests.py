"""Requests for the comparison of firewalls: each kind in many that are not alike.

An engine that has seen a text before may be quicker at it than it is at what clients send.
"""

import json
import random
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import quote_plus

BROWSER: Final = (
    ("host", "shop.example.com"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
        " Safari/537.36",
    ),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-GB,en;q=0.7"),
    ("accept-encoding", "gzip, deflate, br"),
    ("referer", "https://shop.example.com/"),
)
_TEXT: Final = (
    "shirt blue cotton size large order address street garden river house paper music window"
    " delivery monday evening colour light winter summer market price number family children"
    " please leave parcel with neighbour thank you very much looking forward reading again soon"
)
_WORDS: Final = _TEXT.split()


class Request(NamedTuple):
    """One request as both engines get it."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes


class Kind(NamedTuple):
    """One line of the table."""

    name: str
    make: Callable[[random.Random], Request]
    part: float
    """Of ModSecurity's time at paranoia 1, at most."""
    blocked: bool = False


def _text(chance: random.Random, size: int) -> str:
    words: list[str] = []
    length = 0
    while length < size:
        words.append(chance.choice(_WORDS))
        length += len(words[-1]) + 1
    return " ".join(words)[:size].rstrip()


def _name(chance: random.Random) -> str:
    return f"{chance.choice(_WORDS)}_{chance.choice(_WORDS)}"


def _posted(target: str, media: str, body: bytes) -> Request:
    fields = (*BROWSER, ("content-type", media), ("content-length", str(len(body))))
    return Request("POST", target, fields, body)


def _plain(chance: random.Random) -> Request:
    return Request("GET", f"/{_name(chance)}/{chance.randrange(10**6)}", BROWSER, b"")


def _get(chance: random.Random) -> Request:
    query = "&".join(f"{_name(chance)}={quote_plus(_text(chance, 12))}" for _ in range(5))
    cookies = "; ".join(f"{_name(chance)}={chance.getrandbits(96):x}" for _ in range(3))
    return Request("GET", f"/search?{query}", (*BROWSER, ("cookie", cookies)), b"")


def _form(size: int, arguments: int) -> Callable[[random.Random], Request]:
    def make(chance: random.Random) -> Request:
        each = size // arguments
        pairs = (
            f"{_name(chance)}{number}={quote_plus(_text(chance, max(3, each - 16)))}"
            for number in range(arguments)
        )
        body = "&".join(pairs).encode()
        return _posted("/account/save", "application/x-www-form-urlencoded", body)

    return make


def _json(size: int) -> Callable[[random.Random], Request]:
    def make(chance: random.Random) -> Request:
        orders: list[dict[str, object]] = []
        written = 0
        while written < size:
            order = {
                "id": chance.randrange(10**6),
                "customer": {"name": _text(chance, 16), "city": _text(chance, 10)},
                "note": _text(chance, 240),
                "lines": [
                    {"item": _name(chance), "count": chance.randrange(1, 9)} for _ in range(2)
                ],
                "paid": chance.random() < 0.5,
            }
            orders.append(order)
            written += len(json.dumps(order)) + 2
        return _posted("/api/orders", "application/json", json.dumps(orders).encode())

    return make


def _injection(chance: random.Random) -> Request:
    number = chance.randrange(10**6)
    attack = quote_plus(f"{number}' UNION SELECT password FROM users WHERE id={number} -- ")
    return Request("GET", f"/item?id={attack}", BROWSER, b"")


def _upload(chance: random.Random) -> Request:
    content = chance.randbytes(1 << 20)
    body = (
        b'--b4Ck\r\nContent-Disposition: form-data; name="title"\r\n\r\n'
        + _text(chance, 30).encode()
        + b'\r\n--b4Ck\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n'
        + b"Content-Type: image/jpeg\r\n\r\n"
        + content
        + b"\r\n--b4Ck--\r\n"
    )
    return _posted("/pictures", "multipart/form-data; boundary=b4Ck", body)


KINDS: Final = (
    Kind("GET without arguments", _plain, 1 / 5),
    Kind("GET, 5 arguments, 3 cookies", _get, 1),
    Kind("form, 1 KB", _form(1000, 12), 1 / 15),
    Kind("JSON, 3.6 KB", _json(3_600), 1),
    Kind("JSON, 37 KB", _json(37_000), 1 / 40),
    Kind("form, 950 arguments", _form(950 * 24, 950), 1),
    Kind("SQL injection, blocked", _injection, 1, blocked=True),
    Kind("upload, 1 MB", _upload, 1),
)
