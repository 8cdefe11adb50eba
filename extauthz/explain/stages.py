"""Where a request was decided, and what was seen there."""

import json
from collections.abc import Mapping
from typing import Any, Final

from callout.config.policies import PolicyIndex
from callout.http.host import canonical_host
from callout.http.path import RefusedPath
from callout.observe.secrets import mask_text
from extauthz import credentials
from extauthz.check import CheckInput
from extauthz.compiled import Authenticated, ByOpa, CompiledAuth
from extauthz.decision_logs.recorder import NOTHING
from extauthz.explain.watched import Evaluation
from extauthz.identity.contract import BadCredential, Identity, UnverifiedToken
from extauthz.identity.jwt import JwtEntry

_MOST: Final = 200
"""Characters of a claim that is shown."""
_CLAIMS: Final = ("iss", "aud", "exp", "nbf", "iat")
"""Of a token that was refused: by these it was, and none of them is a secret."""


def stage_of(evaluation: Evaluation, policies: PolicyIndex) -> str:
    """One of `STAGES`."""
    record, found = evaluation.record, evaluation.found
    if record.reason == "emit_value":
        return "emit"
    if found is None:
        if record.auth is not None:
            return "mode"
        check = record.check
        if check is None:
            return "request"
        if isinstance(check, CheckInput):
            host = canonical_host(check.host)
            _, path = policies.find(host, check.path, check.method, check.named)
            if isinstance(path, RefusedPath) and path.reason == record.reason:
                return "path"
        return "policy"
    if not isinstance(found, Identity):
        return "identity"
    decider = record.auth.decider if record.auth is not None else None
    if isinstance(decider, Authenticated):
        return "authenticated"
    if record.result is NOTHING and record.reason != "opa_not_configured":
        return "input"
    return "opa" if isinstance(decider, ByOpa) else "rego"


STAGES: Final[Mapping[str, str]] = {
    "request": "Envoy's request could not be read",
    "path": "the path is refused before any policy is asked",
    "policy": "no policy could be chosen",
    "mode": "the policy is off: nobody was asked",
    "identity": "the caller could not be identified",
    "authenticated": "the policy asks only who is calling",
    "input": "no input document could be made of the request, so no rule was asked",
    "rego": "rules of Rego decided",
    "opa": "an OPA server decided",
    "emit": "a claim cannot be sent in a header",
}
"""The stages at which a decision can be made, and what they say."""


def credential_seen(evaluation: Evaluation) -> dict[str, Any]:
    """What came as a credential, as far as it is no secret."""
    check = evaluation.record.check
    if check is None or "authorization" not in check.headers:
        return {"header": "authorization", "present": False}
    seen: dict[str, Any] = {"header": "authorization", "present": True}
    text = credentials.bearer(check.headers)
    if text is None or isinstance(text, BadCredential):
        return {**seen, "scheme": "not a bearer token"}
    token = credentials.read_token(text)
    if not isinstance(token, UnverifiedToken):
        return {**seen, "scheme": "bearer", "readable": False}
    return {
        **seen,
        "scheme": "bearer",
        "readable": True,
        "alg": _short(token.algorithm),
        "kid": _short(token.kid),
        **{name: _short(value) for name, value in _claims(token).items()},
    }


def _claims(token: UnverifiedToken) -> dict[str, Any]:
    claims = credentials.unverified_claims(token)
    return {name: claims[name] for name in _CLAIMS if name in claims}


def _short(value: Any) -> Any:
    if value is None or isinstance(value, int):
        return value
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return mask_text(text)[:_MOST]


def entries_of(auth: CompiledAuth) -> list[dict[str, Any]]:
    """What a policy's `identity` takes, in the order in which it is tried."""
    found: list[dict[str, Any]] = []
    for entry in auth.identity:
        if isinstance(entry, JwtEntry):
            rules = entry.rules
            found.append(
                {
                    "kind": "jwt",
                    "issuer": rules.issuer,
                    "audience": sorted(rules.audience),
                    "algorithms": sorted(rules.algorithms),
                    "keys": mask_text(entry.url) if entry.url else "of the bundle",
                }
            )
        else:
            found.append({"kind": "anonymous"})
    return found
