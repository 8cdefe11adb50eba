"""The table of spans in docs/operations.md against the spans that a running service sends."""

from contextlib import ExitStack
from pathlib import Path

import jwt

from callout.observe.traces.span import CLIENT, INTERNAL, SERVER
from callout.testing.redis import RedisServer
from callout.testing.requests import check_request, rate_limit_request
from tests.callout.observe.collector import attributes
from tests.docs import pages
from tests.end_to_end.serve import CHECK, LIMIT, policy
from tests.end_to_end.test_serve_traces import (
    ASKED,
    CALL,
    ISSUER,
    LIMITS,
    OURS,
    Started,
    call,
    token,
)
from tests.extauthz.tokens import private_key

KINDS = {SERVER: "server", INTERNAL: "internal", CLIENT: "client"}
EVERY_FAILED = "error.type"
"""Not in the table: the page says it of all spans."""


def test_the_table_of_spans_is_what_is_sent(tmp_path: Path, redis_server: RedisServer) -> None:
    with ExitStack() as running:
        start = Started(tmp_path, running)
        collector, neighbour = start.collector(), start.neighbour()
        keys = f"jwks: {{url: '{neighbour.url}/keys'}}"
        identity = f"{{jwt: {{issuer: '{ISSUER}', audience: [shop], {keys}}}}}"
        body = f"auth: {{identity: [{identity}], decide: {{opa: shop/allow}}}}\n{LIMITS}"
        flags = ("--opa", neighbour.url, "--redis", redis_server.url, "--workers", "1")
        serve = start.serve(collector.url, *flags, files={"shop.yaml": policy("shop", body)})
        # The first waits for keys, and is refused by them.
        forged = jwt.encode({"iss": ISSUER}, private_key("rsa"), "RS256", headers={"kid": "ec"})
        for bearer in (forged, token()):
            headers = {"traceparent": ASKED, "authorization": f"Bearer {bearer}"}
            call(serve, CHECK, check_request(headers=headers))
        call(serve, LIMIT, rate_limit_request("gatewright", OURS), CALL)
        spans = collector.wait_for(4 + 4 + 3)

    sent: dict[str, tuple[str, set[str]]] = {}
    for span in spans:
        name = "SERVICE/METHOD" if span.kind == SERVER else span.name
        _, names = sent.setdefault(name, (KINDS[span.kind], set()))
        names |= attributes(span).keys() - {EVERY_FAILED}

    documented: dict[str, tuple[str, set[str]]] = {}
    above: set[str] = set()
    for names_cell, kind, attributes_cell, _ in pages.table("docs/operations.md", "spans"):
        if attributes_cell != "the same":
            above = set(pages.code(attributes_cell))
        for name in pages.code(names_cell):
            documented[name] = (kind, above)
    assert sent == documented
