"""Requests of honest clients: values that look like attacks, and whole requests."""

import json
from typing import Final

from tests.waf.starter.sending import Sent, multipart, post, request

PROSE: Final[tuple[str, ...]] = (
    "Please select a size from the list, or drop us a line; we insert the order at once.",
    "The European Union select committee met on Tuesday and will update its report.",
    "I'd like 2 or 3 of them, and it's fine if one = broken. O'Brien & Sons; tel. 555-1234",
    "Rock 'n' roll isn't dead -- it's \"alive and well\" (or is it?)",
    "How do I delete from my cart where the price is too high?",
    "Where do you order by phone? I can't select anything from the menu.",
    "JavaScript: The Good Parts (2008), by D. Crockford",
    "Tom & Jerry; cats & dogs | 50% off!",
    "See https://shop.example/help?topic=returns&lang=en#top for details...",
    "x < y and y > z, so x <> z; a<b is true",
    "Meeting\r\nLocation: Room 5\r\nSubject: budget #42 -- draft",
    "My mail is o'neil+shop@example.co.uk; call me @ 9am.",
    "C:\\Users\\Ann\\Documents\\report.docx",
    "The union of sets A and B; select one; find another",
    'He said: "or else" -- and left. 1 + 1 = 2',
    "Größe 42, Farbe „blau“ – naïve café, 日本語のテキスト 😀",
    "I ♥ <3 you; :-) ;-) \\o/ ¯\\_(ツ)_/¯",
    "50% discount: 100 - 50 = 50; it's 1/2 of the price (10'000)",
    "Use the echo of a ping; the cat sat; kill time; sleep well; find peace",
    "To be, or not to be: that is the question; whether 'tis nobler",
    "I waited 10 minutes; cat food was out of stock & the host was rude",
    "Version 1.2.3..4, pages 3...5, and so on ...",
    "not like that! Is null a number? Having 3 = having fun",
    "<3 this; <- arrow; a <- b; <hello@example.com> wrote:",
    "Set @home = work, #1 fan; price*2; -- Ann",
    "1' 6\" tall, 5'11\" wide",
    "Use the default if defined in the file, or if not, the other; for 10% in (say) May do nothing",
    "document the cookie policy; window shopping (on sale=yes)",
)

CODE: Final[tuple[str, ...]] = (
    "def total(items):\n    return sum(item.price for item in items if item.price > 0)\n",
    "import { sum } from '../lib/math'\nimport x from \"../../x\"\n\nexport default sum\n",
    "for (let i = 0; i < list.length; i++) { total += list[i].price; }\n",
    "time.sleep(5)\nprint('done')  # twice\n",
    "if a == b and c != d or e: pass",
    "List<String> names = new ArrayList<>();\nMap<String, Integer> m = Map.of();\n",
    "const add = (a, b) => a + b; console.log(add(1, 2));",
    "SELECT is a keyword; so are FROM and WHERE",
    "# Title\n\nSome *text* with `code`, a [link](https://example.com) and a list:\n\n- a\n- b\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "^[a-z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}$",
    "body { color: #fff; margin: 0 auto; } /* comment */",
    "x = {'a': 1, \"b\": [2, 3]}; y = x['a'] if x else None",
    "#!/bin/sh\nset -e\n",
    "std::vector<int> v{1, 2, 3}; // three",
    "let re = /a|b/g; let t = `${name}, hello`;",
    'fn main() { println!("{}", 1); }',
    "if x != 1 and y == 2 or not z: return [x for x in xs if x]",
    "a->b = c; it->second; x ?? y; p ? q : r",
    "key: value\nlist:\n  - a\n  - b\npath: ./src\n",
)

GRAPHQL: Final = (
    "query Items($first: Int!, $after: String) {\n  items(first: $first, after: $after, "
    'where: {price: {lt: 10}, name: {in: ["a", "b"]}}) {\n    edges { node { id name } }\n'
    "    pageInfo { endCursor hasNextPage }\n  }\n}"
)
COOKIES: Final = (
    b"session=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLWl0; theme=dark; "
    b"_ga=GA1.2.1234567890.1700000000; _gid=GA1.2.987654321.1700000001; cart=%5B%22a%22%2C2%5D; "
    b'prefs={"lang":"en","size":42}; csrftoken=abcDEF123-_; OptanonConsent=isGpcEnabled=0&'
    b"datestamp=Mon+Nov+17+2025+10%3A00%3A00+GMT%2B0100&version=202401.1.0&groups=C0001%3A1"
)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


REQUESTS: Final[dict[str, Sent]] = {
    "a page": request(b"/"),
    "a search": request(b"/search?q=blue+shirt&size=42&sort=price_asc&page=2"),
    "a list in a query": request(b"/items?id[]=1&id[]=2&filter%5Bprice%5D%5Blt%5D=10"),
    "dates and money": request(
        b"/r?from=2025-01-01T00:00:00%2B01:00&to=2025-12-31&min=%E2%82%AC10"
    ),
    "a return address": request(b"/login?next=https%3A%2F%2Fshop.example%2Fcart%3Fa%3D1%26b%3D2"),
    "a hash": request(b"/static/app.3f2a9c.js?v=d41d8cd98f00b204e9800998ecf8427e"),
    "an empty argument": request(b"/search?q=&page="),
    "OData": request(b"/odata/Items?$filter=Price%20lt%2010%20and%20Name%20eq%20%27x%27&$top=5"),
    "a file with dots": request(b"/files/report..final.v1.2.pdf"),
    "well-known": request(b"/.well-known/acme-challenge/abc_DEF-123"),
    "cookies": request(fields=((b"cookie", COOKIES),)),
    "an API client": request(
        fields=(
            (b"authorization", b"Bearer eyJhbGciOiJIUzI1NiJ9.e30.abc-_"),
            (b"range", b"bytes=0-99"),
        )
    ),
    "base64 in JSON": post(
        _json({"image": "iVBORw0KGgoAAAANSUhEUg+/AA==" * 30}), b"application/json"
    ),
    "JSON of numbers": post(_json({"a": [1, 2.5, -3e10, True, None]}), b"application/json"),
    "JSON in JSON": post(_json({"event": json.dumps({"a": [1, {"b": "c"}]})}), b"application/json"),
    "JSON-RPC": post(
        _json({"jsonrpc": "2.0", "method": "sum", "params": [1, 2], "id": 1}), b"application/json"
    ),
    "JSON patch": post(
        _json([{"op": "replace", "path": "/a/b/0", "value": "x"}]), b"application/json-patch+json"
    ),
    "GraphQL": post(
        _json({"operationName": "Items", "query": GRAPHQL, "variables": {"first": 10}}),
        b"application/json",
    ),
    "GraphQL introspection": post(
        _json({"query": "{ __schema { types { name fields { name } } } }"}), b"application/json"
    ),
    "a login": post(
        b"user=ann%40example.com&password=aB3%21%23%24%25%5E%26*%28%29&csrf=abc%2Bdef%3D%3D",
        b"application/x-www-form-urlencoded",
    ),
    "an empty form": post(b"", b"application/x-www-form-urlencoded"),
    "an upload of text": multipart(b"a,b\r\n1,2\r\n", b"file", b"table.csv"),
    "an upload of bytes": multipart(bytes(range(256)) * 4, b"file", b"photo (1).jpg"),
    "an upload of a program": multipart(
        b"<script>alert(1)</script>; SELECT * FROM t; cat /etc/passwd", b"file", b"notes.txt"
    ),
    "an upload with a name of its own": multipart(
        b"x", b"file", "Größe & Preis – 'neu'.pdf".encode()
    ),
    "XML": post(
        b'<?xml version="1.0"?><order id="7"><item sku="a-1">Shirt &amp; tie</item></order>',
        b"application/xml",
    ),
    "SOAP": post(
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        b'<GetItem xmlns="urn:shop"><id>7</id></GetItem></s:Body></s:Envelope>',
        b"text/xml; charset=utf-8",
    ),
    "a put of bytes": post(bytes(range(256)), b"application/octet-stream"),
    "a preflight": request(
        b"/api", b"OPTIONS", ((b"access-control-request-method", b"PUT"), (b"origin", b"https://a"))
    ),
    "a delete": request(b"/api/items/7", b"DELETE"),
    "a websocket": request(
        fields=((b"upgrade", b"websocket"), (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="))
    ),
    "metrics of a browser": post(
        _json({"url": "https://shop.example/a?b=c#d", "stack": "Error: x\n at f (app.js:1:2)"}),
        b"text/plain;charset=UTF-8",
    ),
}
