"""Requests made from a seed: attacks of the CRS suite, changed and put elsewhere; harmless ones."""

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from tests.load.waf_requests import BROWSER, KINDS
from tests.waf.crs.cases import Sent

_LARGEST: Final = 400
"""Bytes of an attack: longer ones test limits, which the suite itself does."""
_PIECES: Final = (b" ", b"  ", b"\t", b"\n", b"/**/", b"\0", b"'", b'"', b"--", b";", b"<", b"\\")
_HARMLESS: Final = tuple(kind for kind in KINDS if not kind.blocked and "1 MB" not in kind.name)
_FIELDS: Final = tuple((name.encode(), value.encode()) for name, value in BROWSER)
_HEADERS: Final = (b"user-agent", b"referer", b"x-forwarded-host", b"x-note")


def attacks(suite: Sequence[Sent]) -> list[bytes]:
    """Values of the arguments that tests send, each once, as they are without their escapes."""
    found: dict[bytes, None] = {}
    for sent in suite:
        _, _, query = sent.target.partition(b"?")
        form = b"urlencoded" in (sent.get(b"content-type") or b"")
        for text in (query, sent.body if form else b""):
            for pair in text.split(b"&"):
                value = unquote_to_bytes(pair.partition(b"=")[2].replace(b"+", b" "))
                if 1 < len(value) <= _LARGEST:
                    found[value] = None
    return list(found)


def requests(suite: Sequence[Sent], seed: int) -> Iterator[Sent]:
    """Without end; the same for the same seed. Three of four carry an attack."""
    chance = random.Random(seed)
    known = attacks(suite)
    while True:
        if chance.random() < 0.25:
            made = chance.choice(_HARMLESS).make(chance)
            fields = tuple((name.encode(), value.encode()) for name, value in made.headers)
            yield Sent(made.method.encode(), made.target.encode(), b"HTTP/1.1", fields, made.body)
        else:
            value = chance.choice(known)
            for _ in range(chance.randrange(3)):
                value = chance.choice(_CHANGES)(chance, value)
            yield chance.choice(_PLACES)(chance, value)


def _insert(chance: random.Random, value: bytes) -> bytes:
    at = chance.randrange(len(value) + 1)
    return value[:at] + chance.choice(_PIECES) + value[at:]


def _swap_case(chance: random.Random, value: bytes) -> bytes:
    return bytes(
        byte ^ 0x20 if chr(byte).isalpha() and byte < 128 and chance.random() < 0.5 else byte
        for byte in value
    )


def _escape_again(chance: random.Random, value: bytes) -> bytes:
    return b"".join(b"%%%02x" % byte if chance.random() < 0.3 else bytes([byte]) for byte in value)


def _cut(chance: random.Random, value: bytes) -> bytes:
    begin = chance.randrange(max(1, len(value) // 2))
    return value[begin:] if chance.random() < 0.5 else value[: len(value) - begin]


def _wrap(chance: random.Random, value: bytes) -> bytes:
    word = chance.choice((b"order ", b"1 ", b"see ", b"x", b"'"))
    return word + value + chance.choice((b"", b" please", b"#", b"1"))


_CHANGES: Final[tuple[Callable[[random.Random, bytes], bytes], ...]] = (
    _insert,
    _swap_case,
    _escape_again,
    _cut,
    _wrap,
)


def _posted(media: bytes, body: bytes) -> Sent:
    fields = (*_FIELDS, (b"content-type", media), (b"content-length", b"%d" % len(body)))
    return Sent(b"POST", b"/save", b"HTTP/1.1", fields, body)


def _in_query(chance: random.Random, value: bytes) -> Sent:
    target = f"/find?page=2&{chance.choice('abcq')}={quote(value, safe='')}"
    return Sent(b"GET", target.encode(), b"HTTP/1.1", _FIELDS, b"")


def _in_form(chance: random.Random, value: bytes) -> Sent:
    body = f"name=Ann+Lee&{chance.choice('abcq')}={quote(value, safe='')}&send=1"
    return _posted(b"application/x-www-form-urlencoded", body.encode())


def _in_json(chance: random.Random, value: bytes) -> Sent:
    leaf = value.decode("latin-1")
    shapes: tuple[object, ...] = ({"a": leaf}, [1, leaf], {"a": {"b": [leaf, True]}, "c": 1.5})
    return _posted(b"application/json", json.dumps(chance.choice(shapes)).encode())


def _in_cookie(chance: random.Random, value: bytes) -> Sent:
    cookie = f"session={chance.getrandbits(64):x}; seen={quote(value, safe='')}".encode()
    return Sent(b"GET", b"/home", b"HTTP/1.1", (*_FIELDS, (b"cookie", cookie)), b"")


def _in_header(chance: random.Random, value: bytes) -> Sent:
    name = chance.choice(_HEADERS)
    # What a field cannot hold: no control characters, and no spaces around it.
    value = re.sub(rb"[^\x20-\x7e]", b"", value).strip() or b"x"
    fields = (*((key, each) for key, each in _FIELDS if key != name), (name, value))
    return Sent(b"GET", b"/home", b"HTTP/1.1", fields, b"")


def _in_path(chance: random.Random, value: bytes) -> Sent:
    del chance
    return Sent(b"GET", f"/files/{quote(value)}/x".encode(), b"HTTP/1.1", _FIELDS, b"")


_PLACES: Final = (_in_query, _in_query, _in_form, _in_form, _in_json, _in_cookie, _in_header,
                  _in_path)  # fmt: skip
