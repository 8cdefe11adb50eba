"""A request, and perhaps its response, as JSON; and run through rules."""

import base64
import binascii
import json
import time
from typing import Annotated, Final

import msgspec

from callout.http.bodies.inflate import inflate
from callout.http.head import Headers, Peer, RequestHead, ResponseHead
from waf.nomination import Nomination
from waf.rules import RuleSet
from waf.transaction import Transaction, Watch

_Fields = list[tuple[str, str]]
_Status = Annotated[int, msgspec.Meta(ge=100, le=599)]


class Response(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the upstream answered."""

    status: _Status
    headers: _Fields = []
    body_b64: str = ""


class Exchange(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One line of `waf scan`, and what `waf explain` reads."""

    method: str
    uri: str
    id: str | int | float | None = None
    version: str = "HTTP/1.1"
    headers: _Fields = []
    body_b64: str = ""
    remote_addr: str = "127.0.0.1"
    response: Response | None = None


class BadExchange(Exception):
    """The text says what was expected, and where; it holds nothing of the request."""


def read(data: bytes) -> Exchange:
    """The exchange that a JSON document says.

    Raises:
        BadExchange: it says none.
    """
    try:
        # Not msgspec's own reader: it knows no lone surrogates, which stand for bytes here.
        exchange = msgspec.convert(json.loads(data), Exchange)
    except msgspec.ValidationError as error:
        raise BadExchange(str(error)) from None
    except (ValueError, RecursionError):
        raise BadExchange("expected a JSON object") from None
    _check(exchange)
    return exchange


def _check(exchange: Exchange) -> None:
    texts = [exchange.method, exchange.uri, exchange.version, exchange.remote_addr]
    bodies = [("body_b64", exchange.body_b64)]
    fields = list(exchange.headers)
    if exchange.response is not None:
        fields += exchange.response.headers
        bodies.append(("response.body_b64", exchange.response.body_b64))
    texts += [text for field in fields for text in field]
    try:
        for text in texts:
            _bytes(text)
    except UnicodeEncodeError:
        message = "expected Unicode, or \\udc80 to \\udcff for single bytes of other kinds"
        raise BadExchange(message) from None
    for name, body in bodies:
        try:
            _decoded(body)
        except (ValueError, binascii.Error):
            raise BadExchange(f"expected base64 - at `$.{name}`") from None


def judge(
    rules: RuleSet,
    exchange: Exchange,
    unique_id: bytes,
    *,
    nominate: Nomination | None = None,
    watch: Watch | None = None,
) -> tuple[Transaction, float]:
    """The transaction of an exchange, and the seconds that the rules took.

    Args:
        rules: to be asked.
        exchange: what was sent; a response is judged only if there is one.
        unique_id: of the transaction.
        nominate: tells rules that cannot match; None: every rule is asked.
        watch: told what each rule found.
    """
    fields = Headers((_bytes(name).lower(), _bytes(value)) for name, value in exchange.headers)
    head = RequestHead(
        _bytes(exchange.method),
        b"http",
        b"",
        _bytes(exchange.uri),
        _bytes(exchange.version),
        fields,
    )
    peer = Peer(_bytes(exchange.remote_addr), _PORT, b"127.0.0.1", 80)
    body = _inflated(exchange.body_b64, fields)
    answer = exchange.response
    begun = time.perf_counter()
    transaction = Transaction(
        rules,
        unique_id,
        time.time(),
        lambda: time.perf_counter() - begun,
        nominate=nominate,
        watch=watch,
    )
    transaction.request_head(head, peer)
    transaction.request_body(body)
    if answer is not None:
        fields = Headers((_bytes(name).lower(), _bytes(value)) for name, value in answer.headers)
        transaction.response_head(ResponseHead(answer.status, fields))
        transaction.response_body(_inflated(answer.body_b64, fields))
    transaction.logging()
    return transaction, time.perf_counter() - begun


_PORT: Final = 40000
"""The client's: nobody has written it down."""


def _inflated(body: str, fields: Headers) -> bytes:
    return inflate(_decoded(body), fields.joined(b"content-encoding") or b"").body


def _decoded(body: str) -> bytes:
    return base64.b64decode(body, validate=True)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
