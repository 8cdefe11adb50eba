"""What may come out of a decision: an allowance, a refusal, or our own failure.

Only an `Allow` lets a request through, and it is its *type* that does: no field of any of these
can be set, or left at its default, so that something else becomes an allowance.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias, final

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Lower-case names and values, both checked (`header_rules`)."""


@final
class Allow(NamedTuple):
    """The request goes on, changed as written here."""

    reason: str
    """A stable word for metrics: `authenticated`, `rego`, `off`."""
    headers: Headers = ()
    """Request headers, overwritten or added; one entry for a name."""
    remove: tuple[str, ...] = ()
    """Request headers to take off; never one that `headers` sets (Envoy lets removal win)."""
    response_headers: Headers = ()
    """Put on the upstream's answer: `set-cookie` is added, everything else overwritten."""
    query_set: tuple[tuple[str, str], ...] = ()
    """Query parameters, not encoded yet; one entry for a name."""
    query_remove: tuple[str, ...] = ()
    """Names of query parameters, not encoded yet."""
    metadata: Mapping[str, Any] | None = None
    """What the policy adds to the dynamic metadata; JSON values."""
    compat: bool = False
    """A policy with `compat: opa-envoy` said so: sent as that plugin sends it. Then `headers` may
    have a name several times, and `query_set` too; see `answer`."""


@final
class Deny(NamedTuple):
    """The request ends here; the client gets this answer."""

    reason: str
    """A stable word for metrics: `no_credential`, `rego`, `no_policy`."""
    status: int = 403
    """HTTP status, one of `STATUSES`."""
    headers: Headers = ()
    """Response headers; a name may be repeated (several `set-cookie`)."""
    body: str = ""
    """Text; holds no part of the request."""
    metadata: Mapping[str, Any] | None = None
    """What the policy adds to the dynamic metadata; JSON values."""
    compat: bool = False
    """As in `Allow`: a denial by such a policy, not one of ours."""


@final
class Failed(NamedTuple):
    """We could not decide: the policy's `onError` says what becomes of the request."""

    reason: str
    """A stable word for metrics: `keys_unavailable`, `rego_error`, `deadline`."""
    unanswered: bool = False
    """Whether somebody whom we asked did not answer: then `onError: allow` lets the request pass.
    Never what a policy makes of a request, or fails to: its sender could choose that."""


Outcome: TypeAlias = Allow | Deny | Failed
