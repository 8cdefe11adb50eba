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

_NO_SECRETS: Final = frozenset({"headers", "body"})
"""`is_secret` hides them whole, from logs for people."""
_HTTP: Final = "/input/attributes/request/http"
_QUERIES: Final = frozenset({"/input/parsed_query", f"{_HTTP}/query"})
_NOWHERE: Final = frozenset[str]()
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
        self._query = "query" not in show
        self.hides_bodies = "body" not in show
        """Whether nobody will see the body, so that it need not be read."""
        top, http = {"parsed_query"}, {"query"}
        if self.hides_bodies:
            top.add("parsed_body")
            http |= {"body", "rawBody"}
        if "raw-headers" not in show:
            http.add("headerMap")
        self._places = {"/input": frozenset(top), _HTTP: frozenset(http)}
        """Names that are looked at in another way, or hidden, at just one place."""
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

    def _copy(self, value: Any, at: str, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._copied_text(value, at)
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
        copy: dict[str, Any] = {}
        here = self._places.get(at, _NOWHERE)
        is_hidden, text = self._is_hidden, self._text
        for name, each in value.items():
            if is_hidden(name) or name in here:
                self._hide(copy, name, each, at)
                continue
            kind = type(each)
            if kind is str and len(each) < _LONG:
                # the usual case, without another call: half of all time is spent here
                copy[name] = masked = text(each)
                if masked is not each and masked != each:
                    self._masked.append(f"{at}/{name}")
            elif kind in _PLAIN:
                copy[name] = each
            else:
                copy[name] = self._copy(each, f"{at}/{name}", depth + 1)
        return copy

    def _hide(self, copy: dict[str, Any], name: str, value: Any, at: str) -> None:
        pointer = f"{at}/{name}"
        if pointer in self._masked:
            copy[name] = value  # the operator's own rules put it there
        elif pointer in _QUERIES:
            copy[name] = self._copied_query(value, pointer)
        else:
            self._erased.append(pointer)

    def _copied_text(self, text: str, at: str) -> str:
        masked = self._text(text) if len(text) < _LONG else self._masked_text(text)
        if masked != text:
            self._masked.append(at)
        return masked

    def _hides(self, name: str) -> bool:
        lower = name.lower().replace("_", "-")
        if lower in self._headers:
            return True
        if not self._names or lower in self._shown or lower in _NO_SECRETS:
            return False
        return is_secret(name) or is_secret(lower)

    def _copied_query(self, query: Any, at: str) -> Any:
        if type(query) is str:
            return self._copied_text(f"?{query}", at)[1:] if query else query
        if type(query) is not dict:
            return self._copy(query, at, 0)
        copy = {}
        for name, values in query.items():
            if self._query and is_secret_parameter(name):
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


def _pair(match: re.Match[str]) -> str:
    return f"{match[1]}={MASK}" if match[2] and is_secret_parameter(match[1]) else match[0]


@lru_cache(maxsize=4096)
def is_secret_parameter(name: str) -> bool:
    """Whether a query parameter of this name, as a URL writes it, holds a credential."""
    lower = unquote_plus(name).lower()
    return lower in QUERY_NAMES or lower.replace("_", "-") in HEADERS or is_secret(lower)
