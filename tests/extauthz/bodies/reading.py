"""A request with a body, as the core gets it."""

from collections.abc import Mapping

from callout.testing.requests import check_request
from extauthz.check import CheckInput
from extauthz.envoy import read


def request(
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    text: str = "",
    path: str = "/",
    sent_raw: Mapping[str, str] | None = None,
) -> CheckInput:
    """What Envoy sends; `sent_raw`: headers in `header_map` instead of `headers`."""
    message = check_request("POST", path, headers=headers or {}, body=text)
    http = message.attributes.request.http
    http.raw_body = body
    if sent_raw is not None:
        http.headers.clear()
        for name, value in sent_raw.items():
            http.header_map.headers.add(key=name, raw_value=value.encode())
    found = read(message.SerializeToString())
    assert isinstance(found, CheckInput)
    return found


JSON = {"content-type": "application/json"}
BOOK = "/shop.v1.Books/Get"
FORM = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}
GRPC = {"content-type": "application/grpc"}
PARTIAL = {"x-envoy-auth-partial-body": "true"}
WHOLE = {"x-envoy-auth-partial-body": "false"}

PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n'
    b'Content-Type: application/json\r\n\r\n{"x": 1.50}\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n\r\n\xff\r\n--b--\r\n'
)


def typed(media_type: str) -> dict[str, str]:
    """The headers of a body of this type."""
    return {"content-type": media_type}
