"""One value sent in every way that a client has."""

import json
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import quote_from_bytes
from xml.sax.saxutils import escape

from callout.http.head import Headers, Peer, RequestHead
from waf.rules import RuleSet
from waf.transaction import Transaction

Sent: TypeAlias = tuple[RequestHead, bytes]

_FIELDS: Final = (
    (b"host", b"shop.example"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"referer", b"https://shop.example/search?q=blue+shirt&page=2"),
)


def request(
    target: bytes = b"/",
    method: bytes = b"GET",
    fields: tuple[tuple[bytes, bytes], ...] = (),
    body: bytes = b"",
    content_type: bytes = b"",
) -> Sent:
    """A browser's."""
    more = list(fields)
    if content_type:
        more += [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    headers = Headers([*_FIELDS, *more])
    return RequestHead(method, b"https", b"", target, b"HTTP/1.1", headers), body


def post(body: bytes, content_type: bytes) -> Sent:
    """With a body."""
    return request(b"/api/items", b"POST", body=body, content_type=content_type)


def _escaped(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="").encode()


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _each_escaped(value: bytes) -> bytes:
    r"""All characters as `\u0027`."""
    return b"".join(b"\\u%04x" % byte for byte in value)


def multipart(value: bytes, name: bytes = b"comment", file: bytes | None = None) -> Sent:
    """A form with one part."""
    head = b'content-disposition: form-data; name="%s"' % name
    if file is not None:
        head += b'; filename="%s"\r\ncontent-type: application/octet-stream' % file
    body = b"--sep7MA4\r\n%s\r\n\r\n%s\r\n--sep7MA4--\r\n" % (head, value)
    return post(body, b"multipart/form-data; boundary=sep7MA4")


def as_xml(value: bytes) -> Sent:
    """An element's text; what XML cannot hold at all is left out."""
    text = "".join(each for each in escape(_text(value)) if each >= " " or each in "\t\n")
    return post(f"<order><note>{text}</note></order>".encode(), b"application/xml")


WAYS: Final[Mapping[str, Callable[[bytes], Sent]]] = {
    "query": lambda value: request(b"/search?q=" + _escaped(value)),
    "query, escaped twice": lambda value: request(b"/search?q=" + _escaped(_escaped(value))),
    "form": lambda value: post(
        b"name=x&note=" + _escaped(value), b"application/x-www-form-urlencoded"
    ),
    "json": lambda value: post(
        json.dumps({"items": [{"note": _text(value)}]}, ensure_ascii=False).encode("latin-1"),
        b"application/json",
    ),
    "json, escaped": lambda value: post(
        b'{"a": {"b": "%s"}}' % _each_escaped(value), b"application/json; charset=utf-8"
    ),
    "multipart": multipart,
    "xml": as_xml,
    "cookie": lambda value: request(fields=((b"cookie", b"last=" + _escaped(value)),)),
}


def judged(rules: RuleSet, sent: Sent) -> Transaction:
    """All phases of the request."""
    transaction = Transaction(rules, b"unique-1", 1_760_000_000.0)
    transaction.request_head(sent[0], Peer(b"192.0.2.7", 40000, b"198.51.100.1", 443))
    transaction.request_body(sent[1])
    transaction.logging()
    return transaction


def told(transaction: Transaction) -> list[tuple[int, list[bytes]]]:
    """Which rules logged, on what: for messages of tests."""
    return [
        (match.labels.id, [found.name for found in match.found])
        for match in transaction.matched
        if match.logged
    ]
