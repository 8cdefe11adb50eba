"""What a transaction holds while its rules run: what was sent, and what rules have written.

Variables read it, actions write it, `waf/transaction.py` drives it. It knows neither.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from callout.http.head import Headers, Peer, RequestHead, ResponseHead
from waf.bodies import NO_BODY, BodyValues
from waf.collections.members import Members
from waf.interruption import Interruption
from waf.settings import EngineSettings

Pair: TypeAlias = tuple[bytes, bytes]
"""A member of a collection: its name, its value."""


class Found(NamedTuple):
    """One value that a rule looks at."""

    collection: str
    """Upper case: `ARGS`, `&ARGS` for a count."""
    key: bytes | None
    """The member's name; None: the variable has no members."""
    value: bytes

    @property
    def name(self) -> bytes:
        """As MATCHED_VAR_NAME says it: `ARGS:q`, `REQUEST_LINE`."""
        collection = self.collection.encode()
        return collection if self.key is None else collection + b":" + self.key


@dataclass(frozen=True, slots=True)
class Labels:
    """What a rule says of itself; of a link, its chain's. RULE reads it, logs write it."""

    id: int
    """0: none was written."""
    phase: int = 2
    revision: str = ""
    version: str = ""
    severity: int | None = None
    """0 emergency to 7 debug."""
    maturity: int = 0
    accuracy: int = 0
    tags: tuple[str, ...] = ()
    message: str = ""
    """With its macros."""
    log_data: str = ""
    """With its macros."""
    file: str = ""
    line: int = 0


NO_LABELS: Final = Labels(0)
NO_REQUEST: Final = RequestHead(b"", b"", b"", b"", b"", Headers())


class State:
    """Mutable, of one transaction, used by one task."""

    __slots__ = (
        "allowed",
        "audit_engine",
        "audit_parts",
        "body",
        "body_values",
        "cache",
        "collections",
        "elapsed",
        "engine",
        "environment",
        "exceptions",
        "force_body_variable",
        "found",
        "highest_severity",
        "inbound_overflow",
        "interruption",
        "labels",
        "matches",
        "now",
        "opener",
        "outbound_overflow",
        "peer",
        "phase",
        "processor",
        "removed",
        "request",
        "request_body_access",
        "request_body_limit",
        "response",
        "response_body",
        "response_body_access",
        "response_body_limit",
        "response_processor",
        "sanitised",
        "session",
        "settings",
        "shadow",
        "tx",
        "unique_id",
        "user",
    )

    def __init__(
        self,
        settings: EngineSettings,
        unique_id: bytes,
        now: float,
        elapsed: Callable[[], float],
        opener: "Opener",
        tx: Mapping[bytes, bytes],
    ) -> None:
        """The state before anything was sent.

        Args:
            settings: of the rule set.
            unique_id: UNIQUE_ID, by which logs name the request.
            now: seconds since 1970, when the request came.
            elapsed: seconds since then.
            opener: of persistent collections.
            tx: what TX begins with.
        """
        self.settings = settings
        self.unique_id = unique_id
        self.now = now
        self.elapsed = elapsed
        self.opener = opener
        self.peer = Peer()
        self.request = NO_REQUEST
        self.body = b""
        self.body_values: BodyValues = NO_BODY
        self.inbound_overflow = False
        self.response: ResponseHead | None = None
        self.response_body = b""
        self.outbound_overflow = False
        self.phase = 0
        # What ctl may change.
        self.engine = settings.engine
        self.request_body_access = settings.request_body_access
        self.request_body_limit = settings.request_body_limit
        self.response_body_access = settings.response_body_access
        self.response_body_limit = settings.response_body_limit
        self.audit_engine = settings.audit_engine
        self.audit_parts = settings.audit_parts
        self.force_body_variable = False
        self.processor = b""
        self.response_processor = b""
        self.removed: set[int] = set()
        """Indexes of rules that `ctl` took away."""
        self.exceptions: dict[int, list[tuple[str, Callable[[bytes | None], bool]]]] = {}
        """By index of a rule: what `ctl` took away from its targets."""
        # What rules write.
        self.tx = Members(tx)
        self.collections: dict[str, Members] = {}
        self.environment: dict[bytes, bytes] = {}
        self.session = b""
        self.user = b""
        self.sanitised: set[tuple[str, bytes]] = set()
        """Members whose values no log may show: collection, name in lower case."""
        # Where the rules are.
        self.labels = NO_LABELS
        self.matches: list[Found] = []
        """What the rule and its links so far have matched, transformed: MATCHED_VARS."""
        self.highest_severity = 255
        self.allowed = ""
        """`allow`, `phase` or `request` when a rule has let the rest be."""
        self.interruption: Interruption | None = None
        self.shadow: Interruption | None = None
        """The first that would have been, had the engine been on."""
        self.cache: dict[str, Sequence[Pair]] = {}
        """Values of variables that hold until more of the request has come."""
        self.found: dict[int, Sequence[Found]] = {}
        """Likewise, what single targets of rules found."""


Opener: TypeAlias = Callable[[State, str, bytes], Members]
"""Opens a persistent collection of a transaction by its name, `IP`, and its key."""
