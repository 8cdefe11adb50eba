"""The contract where a policy does not say `compat: opa-envoy`, as docs/rego.md has it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from tests.extauthz.opa_envoy.contract import Broken, Reading, Sent


@dataclass
class OurReading(Reading):
    """What differs: values are joined, parameters encoded, and less may be written."""

    undecided: int = 503

    def allowance(self, result: dict[str, Any]) -> Sent:
        for name in self.texts(result, "request_headers_to_remove"):
            if not _is_name(name):
                raise Broken
        sent = super().allowance(result)
        sent.headers = _joined(sent.headers)
        cookies = sent.answer_headers.pop("set-cookie", None)  # the only ones that stay apart
        sent.answer_headers = _joined(sent.answer_headers)
        if cookies is not None:
            sent.answer_headers["set-cookie"] = cookies
        sent.query = {name: values[-1:] for name, values in sent.query.items()}
        return sent

    def status(self, result: dict[str, Any]) -> int:
        status = result.get("http_status")
        if isinstance(status, Decimal) and status == int(status):
            return super().status({"http_status": int(status)})
        return super().status(result)

    def header(self, found: dict[str, list[str]], key: str, value: Any, rewrites: bool) -> None:
        if key in _NOT_OURS or key.startswith("x-envoy-") or not _is_name(key):
            raise Broken
        super().header(found, key, value, rewrites)

    def pasted(self, text: str) -> str:
        return quote(text, safe="")

    def metadata(self, result: dict[str, Any]) -> dict[str, Any]:
        found = super().metadata(result)
        return {name: each for name, each in found.items() if name not in ("policy", "id")}


def _joined(headers: dict[str, list[str]]) -> dict[str, list[str]]:
    return {
        name: [("; " if name == "cookie" else ", ").join(values)]
        for name, values in headers.items()
    }


def _is_name(name: str) -> bool:
    return bool(name) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()


_NOT_OURS = {
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
