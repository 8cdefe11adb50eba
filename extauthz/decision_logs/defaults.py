"""What is masked in every event unless the operator shows it: credentials and bodies.

OPA logs the whole input as it came, tokens and all, and has refused to mask anything by itself
(opa#1781). So a first deployment keeps everybody's credentials in its log service. Here `MASKS` of
`callout.observe.decision_masks` hold by default, beside whatever `data.system.log.mask` says.
"""

import re
from functools import lru_cache
from operator import is_not
from typing import Any, Final
from urllib.parse import unquote_plus

from callout.observe.decision_masks import HEADERS, QUERY_NAMES
from callout.observe.secrets import MASK, is_secret, mask_text

_NO_SECRETS: Final = frozenset({"headers", "body"})
"""`is_secret` hides them whole, from logs for people."""
_HTTP: Final = "/input/attributes/request/http"
_QUERIES: Final = frozenset({"/input/parsed_query", f"{_HTTP}/query"})
_HARMLESS: Final = frozenset(
    {
        "/input/attributes/destination/address",
        "/input/attributes/request/time",
        "/input/attributes/source/address",
        "/input/path_flags",
        "/input/version",
    }
)
"""What no client and no policy has put words into: not looked at, which saves a fifth."""
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
        self._shown_headers = frozenset(HEADERS) & show
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
        self._hidden: dict[str, bool] = {}
        """Names that came before, and whether they are hidden: a `dict` is asked in half the time
        of an `lru_cache`."""
        self._text = lru_cache(maxsize=4096)(self._masked_text)
        """Most texts come again and again (`user-agent`), and looking at one takes 8 us."""
        self._erased: list[str] = []
        self._masked: list[str] = []

    def mask(self, event: dict[str, Any]) -> None:
        """Masks input, result and error, and says in the event what was masked.

        What is masked is copied, together with what it is in; all else stays as it is, since
        claims and results are others' as well.
        """
        self._erased = list(event.get("erased", ()))
        self._masked = list(event.get("masked", ()))
        for part in ("input", "result", "error"):
            if part in event:
                event[part] = self._shown(event[part], f"/{part}", 0)
        if self._erased:
            event["erased"] = self._erased
        if self._masked:
            event["masked"] = self._masked

    def _shown(self, value: Any, at: str, depth: int) -> Any:
        """The value, or a copy in which something is masked."""
        kind = type(value)
        if kind is str:
            return self._shown_text(value, at)
        if kind is dict:
            return self._shown_fields(value, at, depth)
        if kind is list:
            return self._shown_elements(value, at, depth)
        return value

    def _shown_elements(self, elements: list[Any], at: str, depth: int) -> Any:
        if depth > _DEEPEST:
            return self._too_deep(at)
        for each in elements:
            if type(each) is not str or " " in each or "=" in each or "@" in each or "eyJ" in each:
                break
            if not each.isprintable():
                break
        else:
            return elements
        shown = [self._shown(each, f"{at}/{n}", depth + 1) for n, each in enumerate(elements)]
        return shown if any(map(is_not, shown, elements)) else elements

    def _shown_fields(self, fields: dict[str, Any], at: str, depth: int) -> Any:
        if depth > _DEEPEST:
            return self._too_deep(at)
        copy: dict[str, Any] | None = None
        here = self._places.get(at, _NOWHERE)
        known = self._hidden.get
        for name, value in fields.items():
            hidden = known(name)
            if hidden is None:
                hidden = self._learn(name)
            if hidden or name in here:
                copy = dict(fields) if copy is None else copy
                self._hide(copy, name, value, at)
                continue
            kind = type(value)
            if kind is str:
                # Of what `_masked_text` changes each has one of these, or white space that is no
                # blank, which is not printable either; most texts have none. All of it stands
                # here, without a call of ours: half of all time is spent on it.
                if (
                    " " in value
                    or "=" in value
                    or "@" in value
                    or "eyJ" in value
                    or not value.isprintable()
                ):
                    shown = self._shown_text(value, f"{at}/{name}")
                else:
                    continue
            elif kind in _PLAIN or (pointer := f"{at}/{name}") in _HARMLESS:
                continue
            elif kind is dict:
                shown = self._shown_fields(value, pointer, depth + 1)
            else:
                shown = self._shown(value, pointer, depth + 1)
            if shown is not value:
                copy = dict(fields) if copy is None else copy
                copy[name] = shown
        return fields if copy is None else copy

    def _hide(self, copy: dict[str, Any], name: str, value: Any, at: str) -> None:
        pointer = f"{at}/{name}"
        if pointer in self._masked:
            return  # the operator's own rules put it there
        if pointer in _QUERIES:
            copy[name] = self._shown_query(value, pointer)
        else:
            del copy[name]
            self._erased.append(pointer)

    def _shown_text(self, text: str, at: str) -> str:
        shown = self._text(text) if len(text) < _LONG else self._masked_text(text)
        if shown == text:
            return text  # itself, not another that is equal: nothing was masked
        self._masked.append(at)
        return shown

    def _learn(self, name: str) -> bool:
        if len(self._hidden) >= _NAMES:
            self._hidden.clear()  # names of headers are a stranger's choice
        hidden = self._hidden[name] = self._hides(name)
        return hidden

    def _hides(self, name: str) -> bool:
        lower = name.lower().replace("_", "-")
        if lower in self._headers:
            return True
        if not self._names or lower in self._shown_headers or lower in _NO_SECRETS:
            return False
        return is_secret(name) or is_secret(lower)

    def _shown_query(self, query: Any, at: str) -> Any:
        if type(query) is str:
            return self._shown_text(f"?{query}", at)[1:] if query else query
        if type(query) is not dict:
            return self._shown(query, at, 0)
        copy = {}
        for name, values in query.items():
            if self._query and is_secret_parameter(name):
                copy[name] = [MASK]
                self._masked.append(f"{at}/{name}")
            else:
                copy[name] = self._shown(values, f"{at}/{name}", 0)
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
_NAMES: Final = 4096
"""Names that are remembered."""
_PLAIN: Final = frozenset({int, bool, type(None)})


def _pair(match: re.Match[str]) -> str:
    return f"{match[1]}={MASK}" if match[2] and is_secret_parameter(match[1]) else match[0]


@lru_cache(maxsize=4096)
def is_secret_parameter(name: str) -> bool:
    """Whether a query parameter of this name, as a URL writes it, holds a credential."""
    lower = unquote_plus(name).lower()
    return lower in QUERY_NAMES or lower.replace("_", "-") in HEADERS or is_secret(lower)
