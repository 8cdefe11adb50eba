"""Rules from a text, and a request run through them."""

from collections.abc import Callable

from callout.config.problems import Rejected
from callout.http.head import Headers, Peer, RequestHead, ResponseHead
from waf.interruption import Interruption
from waf.load import load
from waf.rules import RuleSet
from waf.transaction import Transaction

PEER = Peer(b"192.0.2.7", 40000, b"198.51.100.1", 443)
ON = "SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n"


def rules(text: str, **files: bytes) -> RuleSet:
    """The rules of a text, with the engine and the bodies on."""
    loaded = load("main.conf", {"main.conf": (ON + text).encode(), **files})
    assert not isinstance(loaded, Rejected), "\n".join(map(str, loaded.problems))
    return loaded


def head(
    target: bytes = b"/", method: bytes = b"GET", fields: tuple[tuple[bytes, bytes], ...] = ()
) -> RequestHead:
    """A request's head."""
    return RequestHead(method, b"https", b"example.com", target, b"HTTP/1.1", Headers(fields))


def run(rules: RuleSet, request: RequestHead | None = None, body: bytes = b"") -> Transaction:
    """All phases, with a response of 200 and `hello`; an interruption ends them."""
    transaction = Transaction(rules, b"unique-1", 1_700_000_000.0)
    steps: tuple[Callable[[], Interruption | None], ...] = (
        lambda: transaction.request_head(request or head(), PEER),
        lambda: transaction.request_body(body),
        lambda: transaction.response_head(
            ResponseHead(200, Headers([(b"content-type", b"text/plain")]))
        ),
        lambda: transaction.response_body(b"hello"),
    )
    for step in steps:
        if step() is not None:
            break
    transaction.logging()
    return transaction


def ids(transaction: Transaction) -> list[int]:
    """The rules that matched, in order."""
    return [match.labels.id for match in transaction.matched]


def tx(transaction: Transaction, name: str) -> bytes | None:
    """A member of TX."""
    return transaction.state.tx.get(name.encode())
