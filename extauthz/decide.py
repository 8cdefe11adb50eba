"""The decision, as plain functions called in order with values; no I/O, no clock, no protobuf.

`choose` (which policy) -> `credential` and `identify` (who) -> `question` and `ruling` (may they)
-> `conclude` (what is answered). `service` calls them, and waits where one of them says so.
"""

from collections.abc import Awaitable
from typing import Any, Final, NamedTuple

from callout.config.policies import Effective, Mode, PolicyIndex, UnknownPolicy
from callout.http.host import canonical_host
from callout.http.path import CanonicalPath, RefusedPath
from callout.observe.decision import Verdict
from extauthz.check import CheckInput, NetworkCheck
from extauthz.compiled import Authenticated, CompiledAuth
from extauthz.emit import AuthPart, emission
from extauthz.identity.contract import (
    BadCredential,
    Found,
    Identity,
    IdentityFailed,
    KeySource,
    NotPresent,
    UnverifiedToken,
)
from extauthz.input import BadInput
from extauthz.outcome import Allow, Deny, Failed, Headers, Outcome


class Chosen(NamedTuple):
    """The policy that decides, and the request in canonical form."""

    policy: str
    auth: CompiledAuth
    mode: Mode
    path: CanonicalPath | None
    """None: it is about a connection."""


class Refused(NamedTuple):
    """Refused before any policy's `auth` could speak; also where a policy is in shadow."""

    sent: Deny
    policy: str
    verdict: Verdict


class Answer(NamedTuple):
    """What is sent, and what is said about it."""

    sent: Allow | Deny
    verdict: Verdict
    reason: str
    shadow: bool
    fields: str
    """The encoded identity fields."""


def choose(check: CheckInput, policies: PolicyIndex) -> Chosen | Refused:
    """Find the effective policy.

    A path that cannot be made canonical is refused whatever mode any policy is in: which policy
    it belongs to is exactly what is not known, and the upstream might read it as another's path.
    """
    if check.named == "":
        return Refused(Deny("unknown_policy"), "", "deny")
    host = canonical_host(check.host)
    effective, path = policies.find(host, check.path, check.method, check.named)
    if isinstance(path, RefusedPath):
        name = effective.name if isinstance(effective, Effective) else ""
        if path.reason not in _TOO_LONG and _decides_any_path(effective, policies, host):
            raw, mark, query = check.path.partition("?")
            return _chosen(effective, CanonicalPath(raw, query if mark else None))
        return Refused(_bad_request(path.reason), name, "deny")
    return _chosen(effective, path)


def choose_for_connection(check: NetworkCheck, policies: PolicyIndex) -> Chosen | Refused:
    """Find the effective policy of a connection: by its server name, or the route's word.

    An entry that names a path or a method is about requests, never about connections.
    """
    if check.named == "":
        return Refused(Deny("unknown_policy"), "", "deny")
    return _chosen(policies.choose(canonical_host(check.host), "", "", check.named), None)


def choose_by_name(name: str, policies: PolicyIndex) -> Chosen | Refused:
    """Find the effective policy of a route's word alone."""
    return _chosen(policies.choose("", "", "", name), None)


_TOO_LONG: Final = frozenset({"too_long", "query_too_long"})


def _decides_any_path(
    effective: Effective | UnknownPolicy | None, policies: PolicyIndex, host: str
) -> bool:
    """Whether opa-envoy-plugin's way is written and safe: its policies see the path as it is.

    But a path that can be read in two ways must not lead past the policy of one of them.
    """
    if not isinstance(effective, Effective) or effective.invalid:
        return False
    auth = effective.block("auth")
    return isinstance(auth, CompiledAuth) and auth.compat and not policies.names_paths(host)


def _chosen(
    effective: Effective | UnknownPolicy | None, path: CanonicalPath | None
) -> Chosen | Refused:
    if effective is None:
        return Refused(Deny("no_policy"), "", "deny")
    if isinstance(effective, UnknownPolicy):
        return Refused(Deny("unknown_policy"), "", "deny")
    name = effective.name
    if effective.invalid:
        return Refused(Deny("policy_invalid", 503), name, "error")
    auth = effective.block("auth")
    if not isinstance(auth, CompiledAuth):
        return Refused(Deny("no_policy"), name, "deny")
    return Chosen(name, auth, effective.mode("auth"), path)


def identify(
    auth: CompiledAuth, token: UnverifiedToken | None, keys: KeySource, now: float
) -> Found | NotPresent | Awaitable[Found]:
    """Ask the first entry that applies; no other one.

    Args:
        auth: the policy.
        token: what came, taken apart; None: no credential.
        keys: fetched keys.
        now: seconds since 1970.
    """
    for entry in auth.identity:
        if entry.applies(token):
            return entry.identify(token, keys, now)
    return NotPresent() if token is None else BadCredential("unknown_issuer")


def overdue(
    auth: CompiledAuth, token: UnverifiedToken | None, keys: KeySource, now: float
) -> BadCredential | IdentityFailed:
    """What to say when the wait that `identify` asked for has been too long."""
    for entry in auth.identity:
        if entry.applies(token):
            return entry.overdue(keys, now)
    return IdentityFailed("deadline")


def refusal(found: BadCredential | NotPresent | IdentityFailed) -> Deny | Failed:
    """What becomes of a request whose caller is not known."""
    if isinstance(found, IdentityFailed):
        return Failed(found.reason, unanswered=True)
    if isinstance(found, NotPresent):
        return Deny("no_credential", 401, _CHALLENGE)
    return Deny(found.reason, 401, _INVALID_TOKEN)


def question(
    chosen: Chosen, check: CheckInput | NetworkCheck, identity: Identity
) -> dict[str, Any] | Outcome | Refused:
    """The document to ask the policy's engine about, or the outcome when none needs to be asked."""
    decider = chosen.auth.decider
    if isinstance(decider, Authenticated):
        if identity.claims is None:
            # `anonymous` is often inherited from a wider policy: this word must not mean nothing
            return Deny("not_authenticated", 401, _CHALLENGE)
        return Allow("authenticated")
    document: dict[str, Any] | BadInput
    path = chosen.path
    if isinstance(check, NetworkCheck):
        document = decider.builder.build_of_connection(check, identity.claims)
    else:
        assert path is not None  # noqa: S101  # only a connection has none
        document = decider.builder.build(check, path, identity.claims)
    if isinstance(document, BadInput):
        if chosen.auth.compat:  # the plugin refuses it in dry-run, too
            return Refused(_request_parse_error(document.reason), chosen.policy, "deny")
        return _bad_request(document.reason, document.status)
    return document


def conclude(
    auth: CompiledAuth, mode: Mode, part: AuthPart, identity: Identity | None, outcome: Outcome
) -> Answer:
    """Turn the outcome into the answer: `onError`, the mode, and the headers that are ours.

    Args:
        auth: the policy's.
        mode: `off`, `shadow` or `enforce`.
        part: the snapshot's.
        identity: whoever was *verified*; None when nobody was.
        outcome: what was decided; for `off`, an `Allow`.
    """
    emitted = part.nobody if identity is None else emission(identity, auth.emit, part)
    if emitted is None:
        emitted, outcome = part.nobody, Failed("emit_value")
    verdict: Verdict
    sent: Allow | Deny
    if isinstance(outcome, Allow):
        verdict, sent = "allow", outcome
    elif isinstance(outcome, Deny):
        verdict, sent = "deny", outcome
    else:
        verdict = "error"
        if auth.on_error is None and outcome.unanswered:
            sent = Allow(outcome.reason)
        else:
            sent = Deny(outcome.reason, auth.on_error or 503)
    shadow = mode == "shadow" and not isinstance(sent, Allow)
    if mode == "shadow" and not auth.compat:
        # as if no policy had spoken; but the identity headers are ours in any mode
        sent = Allow(
            outcome.reason, metadata=None if isinstance(outcome, Failed) else outcome.metadata
        )
    elif shadow:
        # the plugin's dry-run: what is allowed is changed as it says, what is denied passes with
        # its metadata, and what could not be decided is denied
        shadow = isinstance(outcome, Deny)
        if isinstance(outcome, Deny):
            sent = Allow(outcome.reason, metadata=outcome.metadata, compat=True)
    if sent.compat and sent.metadata and part.trusted:
        # no policy output may say who the caller is, where somebody believes it
        sent = sent._replace(
            metadata={name: sent.metadata[name] for name in sent.metadata.keys() - _TRUSTED}
        )
    if isinstance(sent, Allow):
        sent = _with_identity(sent, emitted.headers, emitted.remove, part.ours)
    return Answer(sent, verdict, outcome.reason, shadow, emitted.fields)


def without_http(answer: Answer) -> Answer:
    """What is left for a connection: no headers, no query, no body; metadata stay."""
    sent = answer.sent
    if isinstance(sent, Allow):
        bare: Allow | Deny = Allow(sent.reason, metadata=sent.metadata, compat=sent.compat)
    else:
        bare = Deny(sent.reason, sent.status, metadata=sent.metadata, compat=sent.compat)
    return answer._replace(sent=bare)


def _with_identity(
    allow: Allow, headers: Headers, remove: tuple[str, ...], ours: tuple[str, ...]
) -> Allow:
    """Add the identity headers: the policy's own say in them does not count."""
    if not (ours or headers or remove):
        return allow  # no policy emits anything: 0.4 us less
    if allow.headers:
        headers = (*(one for one in allow.headers if one[0] not in ours), *headers)
    if allow.remove:
        remove = (*(name for name in allow.remove if name not in ours), *remove)
    # `_replace` would take 1.5 us of every request
    return Allow(
        allow.reason,
        headers,
        remove,
        allow.response_headers,
        allow.query_set,
        allow.query_remove,
        allow.metadata,
        allow.compat,
    )


_TRUSTED = frozenset({"policy", "id"})
"""Dynamic metadata by which limits find a policy and a caller. Under `compat` a policy may use the
names, as the plugin's may, in a bundle where nobody believes them."""

_CHALLENGE = (("www-authenticate", "Bearer"),)
_INVALID_TOKEN = (("www-authenticate", 'Bearer error="invalid_token"'),)
"""RFC 6750 3. Not which check failed: that is for the operator's eyes."""


def _bad_request(reason: str, status: int = 400) -> Deny:
    return Deny(reason, status, _PLAIN, f"bad request: {reason}\n")


def _request_parse_error(reason: str) -> Deny:
    """As the plugin says it, except for Go's own words, which hold parts of the request."""
    return Deny(reason, 400, (), f"request_parse_error: {reason}", compat=True)


_PLAIN = (("content-type", "text/plain"),)
