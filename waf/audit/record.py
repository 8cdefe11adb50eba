"""What the audit log says of a transaction: bounded, printable, without secrets.

Made when the transaction is over, and only of those that the log wants; it holds none of the
bodies, so that thousands may wait to be written. Secrets are masked unless the operator shows them:
by name of the header, the argument or the cookie; in bodies, altogether; in any text, by look.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from callout.observe.decision_masks import HEADERS, QUERY_NAMES
from callout.observe.secrets import MASK, is_secret, mask_text
from callout.observe.text import clean
from waf.macros import has_macro
from waf.state import Found, State
from waf.transaction import Match, Transaction

_LONGEST: Final = 512
"""Characters of one text."""
_PARTS: Final = re.compile(r"[.\[\]]+")
_MOST_HEADERS: Final = 100
_MOST_MATCHES: Final = 200
_MASKED_WHOLE: Final = frozenset(
    {"FILES_TMP_CONTENT", "FULL_REQUEST", "REQUEST_BODY", "REQUEST_COOKIES", "RESPONSE_BODY"}
)
"""Variables that hold secrets under no name of their own."""
_WITH_QUERY: Final = frozenset({"QUERY_STRING", "REQUEST_LINE", "REQUEST_URI", "REQUEST_URI_RAW"})
"""Variables that hold all arguments of the target."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A rule that matched."""

    id: int
    phase: int
    file: str
    line: int
    message: str
    data: str
    names: tuple[str, ...]
    """Of what it matched: `ARGS:q`."""
    severity: int | None
    version: str
    revision: str
    maturity: int
    accuracy: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One transaction."""

    unique_id: str
    time: float
    """Seconds since 1970, when the request came."""
    seconds: float
    """How long it took."""
    sensor: str
    client: tuple[str, int]
    server: tuple[str, int]
    method: str
    target: str
    version: str
    request_headers: tuple[tuple[str, str], ...]
    request_bytes: int
    """Of the body that was looked at."""
    response_status: int | None
    response_headers: tuple[tuple[str, str], ...]
    response_bytes: int
    interruption: tuple[str, int, int | None] | None
    """Action, status, id of the rule."""
    would_have: tuple[str, int, int | None] | None
    """Likewise, had the engine not been DetectionOnly."""
    out_of_time: bool
    engine: str
    components: str
    parts: str
    """SecAuditLogParts, as `ctl` left them."""
    form: Literal["json", "native"]
    """SecAuditLogFormat."""
    matches: tuple[Noted, ...]


def record(transaction: Transaction, show_secrets: bool = False) -> Record:
    """What is to be said of a transaction that is over.

    Args:
        transaction: after its phase 5.
        show_secrets: nothing is masked but what a rule masks by `sanitiseArg` and the like.
    """
    state = transaction.state
    peer, request, response = state.peer, state.request, state.response
    shown = _Shown(state, show_secrets)
    audited = [match for match in transaction.matched if match.audited]
    fields = [(b"host", request.authority)] if request.authority else []
    return Record(
        unique_id=_text(state.unique_id),
        time=state.now,
        seconds=state.elapsed(),
        sensor=_text(state.settings.sensor),
        client=(_text(peer.source_address), peer.source_port),
        server=(_text(peer.destination_address), peer.destination_port),
        method=_text(request.method),
        target=shown.target(request.path),
        version=_text(request.version),
        request_headers=shown.headers("REQUEST_HEADERS", [*fields, *request.headers]),
        request_bytes=len(state.body),
        response_status=None if response is None else response.status,
        response_headers=shown.headers(
            "RESPONSE_HEADERS", () if response is None else response.headers
        ),
        response_bytes=len(state.response_body),
        interruption=_decided(transaction, shadow=False),
        would_have=_decided(transaction, shadow=True),
        out_of_time=transaction.out_of_time,
        engine=state.engine,
        components=_text(state.settings.signature),
        parts=state.audit_parts,
        form=state.settings.audit_format,
        matches=tuple(shown.match(match) for match in audited[:_MOST_MATCHES]),
    )


class _Shown:
    """What may be shown of a transaction."""

    def __init__(self, state: State, show_secrets: bool) -> None:
        self._sanitised = state.sanitised
        self._show = show_secrets
        self._query_hidden = False
        """Whether an argument of the target is masked; `target` finds out."""

    def headers(
        self, collection: str, fields: Iterable[tuple[bytes, bytes]]
    ) -> tuple[tuple[str, str], ...]:
        return tuple(
            (_text(name), MASK if self._hides(collection, name) else self._plain(value))
            for name, value in list(fields)[:_MOST_HEADERS]
        )

    def target(self, target: bytes) -> str:
        path, mark, query = target[: 8 * _LONGEST].partition(b"?")
        pieces = []
        for piece in query.split(b"&"):
            name, equals, value = piece.partition(b"=")
            if value and self._hides("ARGS", unquote_to_bytes(name)):
                self._query_hidden = True
                value = MASK.encode()
            pieces.append(name + equals + value)
        return self._plain(path + mark + b"&".join(pieces))

    def match(self, match: Match) -> Noted:
        labels = match.labels
        hidden = any(self._hides_found(found) for found in match.found)
        message = MASK if hidden and has_macro(labels.message) else self._plain(match.message)
        return Noted(
            id=labels.id,
            phase=labels.phase,
            file=labels.file,
            line=labels.line,
            message=message,
            data=MASK if hidden and has_macro(labels.log_data) else self._plain(match.log_data),
            names=tuple(_text(found.name) for found in match.found[:_MOST_MATCHES]),
            severity=labels.severity,
            version=labels.version,
            revision=labels.revision,
            maturity=labels.maturity,
            accuracy=labels.accuracy,
            tags=labels.tags,
        )

    def _plain(self, value: bytes) -> str:
        text = value[: 8 * _LONGEST].decode("utf-8", "backslashreplace")
        return clean(text if self._show else mask_text(text), _LONGEST)

    def _hides_found(self, found: Found) -> bool:
        if not self._show and found.collection in _MASKED_WHOLE:
            return True
        if self._query_hidden and found.collection in _WITH_QUERY:
            return True
        return found.key is not None and self._hides(found.collection, found.key)

    def _hides(self, collection: str, key: bytes) -> bool:
        lower = key.lower()
        if (collection, lower) in self._sanitised:
            return True
        if self._show:
            return False
        name = key[:_LONGEST].decode("utf-8", "replace")
        if is_secret(name):
            return True
        if collection.endswith("_HEADERS"):
            return name.lower() in HEADERS
        # Of `json.user.pin` and `user[pin]`, the last part says what it is.
        return _PARTS.split(name.lower().rstrip("]"))[-1] in QUERY_NAMES


def _decided(transaction: Transaction, *, shadow: bool) -> tuple[str, int, int | None] | None:
    decided = transaction.shadow if shadow else transaction.interruption
    return None if decided is None else (decided.action, decided.status, decided.rule)


def _text(value: bytes) -> str:
    return clean(value[: 8 * _LONGEST].decode("utf-8", "backslashreplace"), _LONGEST)
