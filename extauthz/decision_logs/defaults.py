"""What is masked in every event unless the operator shows it: credentials and bodies.

OPA logs the whole input as it came, tokens and all, and has refused to mask anything by itself
(opa#1781). So a first deployment keeps everybody's credentials in its log service. Here `MASKS` of
`callout.observe.decision_masks` hold by default, beside whatever `data.system.log.mask` says.
"""

import re
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_plus

from callout.observe.decision_masks import HEADERS, QUERY_NAMES
from callout.observe.secrets import MASK, is_secret, mask_text

_BODIES: Final = frozenset({"body", "rawBody"})
_NO_SECRETS: Final = frozenset({"headers", "body"})
"""`is_secret` hides them whole, from logs for people."""
_HTTP: Final = "/input/attributes/request/http"
_PAIR: Final = re.compile(r"([^&;=#\s]*)=([^&;#\s]*)")
_DEEPEST: Final = 200
"""Levels of a value that are looked at; what is deeper is erased. A decision document that a
request made is not nested so deeply (JSON bodies, which may be, are erased before)."""


class Masks:
    """Masks events. Made once; used in one thread."""

    def __init__(self, show: frozenset[str] = frozenset()) -> None:
        """Prepares.

        Args:
            show: names of `MASKS` that do not hold.
        """
        self._headers = frozenset(HEADERS) - show
        self._shown = frozenset(HEADERS) & show
        self._body = "body" not in show
        self._query = "query" not in show
        self._raw_headers = "raw-headers" not in show
        self._names = "secret-names" not in show
        self._tokens = "tokens" not in show
        self._is_hidden = lru_cache(maxsize=4096)(self._hides)
        self._text = lru_cache(maxsize=4096)(self._masked_text)
        """Most texts come again and again (`user-agent`), and looking at one takes 8 us."""
        self._erased: list[str] = []
        self._masked: list[str] = []

    def mask(self, event: dict[str, Any]) -> None:
        """Replaces input and result by masked copies, and says in the event what was masked."""
        self._erased = list(event.get("erased", ()))
        self._masked = list(event.get("masked", ()))
        for part in ("input", "result", "error"):
            if part in event:
                event[part] = self._copy(event[part], f"/{part}", 0)
        if self._erased:
            event["erased"] = self._erased
        if self._masked:
            event["masked"] = self._masked

    @property
    def hides_bodies(self) -> bool:
        """Whether nobody will see the body, so that it need not be read."""
        return self._body

    def _copy(self, value: Any, at: str, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            masked = self._masked_text(value) if len(value) > _LONG else self._text(value)
            if masked is not value and masked != value:
                self._masked.append(at)
            return masked
        if kind is dict:
            return self._copied(value, at, depth)
        if kind is list:
            if depth > _DEEPEST:
                return self._too_deep(at)
            return [self._copy(each, f"{at}/{n}", depth + 1) for n, each in enumerate(value)]
        return value

    def _copied(self, value: dict[str, Any], at: str, depth: int) -> Any:
        if depth > _DEEPEST:
            return self._too_deep(at)
        copy = {}
        for name, each in value.items():
            if self._erases(name, at):
                # what the operator's own rules put there says what it should
                if f"{at}/{name}" in self._masked:
                    copy[name] = each
                else:
                    self._erased.append(f"{at}/{name}")
            elif self._query and each and _is_query(name, at) and type(each) in (dict, str):
                copy[name] = self._copied_query(each, f"{at}/{name}")
            elif type(each) in _PLAIN:
                copy[name] = each
            else:
                copy[name] = self._copy(each, f"{at}/{name}", depth + 1)
        return copy

    def _erases(self, name: str, at: str) -> bool:
        if self._is_hidden(name):
            return True
        if name == "headerMap":
            return self._raw_headers and at == _HTTP
        if self._body:
            return (name in _BODIES and at == _HTTP) or (name == "parsed_body" and at == "/input")
        return False

    def _hides(self, name: str) -> bool:
        lower = name.lower().replace("_", "-")
        if lower in self._headers:
            return True
        if not self._names or lower in self._shown or lower in _NO_SECRETS:
            return False
        return is_secret(name) or is_secret(lower)

    def _copied_query(self, query: dict[str, Any] | str, at: str) -> Any:
        if isinstance(query, str):
            copied = self._text(_PAIR.sub(_pair, query)) if len(query) < _LONG else MASK
            if copied != query:
                self._masked.append(at)
            return copied
        copy = {}
        for name, values in query.items():
            if is_secret_parameter(name):
                copy[name] = [MASK]
                self._masked.append(f"{at}/{name}")
            else:
                copy[name] = self._copy(values, f"{at}/{name}", 0)
        return copy

    def _masked_text(self, text: str) -> str:
        if self._query and "?" in text and "=" in text:
            head, mark, query = text.partition("?")
            text = head + mark + _PAIR.sub(_pair, query)
        return mask_text(text) if self._tokens else text

    def _too_deep(self, at: str) -> str:
        self._masked.append(at)
        return MASK


_LONG: Final = 4096
"""Characters of a text that is not remembered."""
_PLAIN: Final = (int, bool, type(None))


def _is_query(name: str, at: str) -> bool:
    return (name == "parsed_query" and at == "/input") or (name == "query" and at == _HTTP)


def _pair(match: re.Match[str]) -> str:
    return f"{match[1]}={MASK}" if match[2] and is_secret_parameter(match[1]) else match[0]


@lru_cache(maxsize=4096)
def is_secret_parameter(name: str) -> bool:
    """Whether a query parameter of this name, as a URL writes it, holds a credential."""
    lower = unquote_plus(name).lower()
    return lower in QUERY_NAMES or lower.replace("_", "-") in HEADERS or is_secret(lower)
