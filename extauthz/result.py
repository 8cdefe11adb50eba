"""What a policy's result means: opa-envoy-plugin's contract, result object to `Outcome`.

A boolean, or an object with `allowed` (required). Fields that do not belong to the verdict are
ignored, as there (`body` of an allowance). Whatever else comes, undefined included, is no
decision: a `Failed`, never an allowance.

Under `compat: opa-envoy` what is said is also *sent* as there (`answer`), so less is put right
here: several values of a header stay apart, a policy may rewrite what the plugin's may, and a
status must be written as a whole number.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any

from callout.config.written import STATUSES
from extauthz.header_rules import FRAMING, REQUEST_LINE, is_name, is_value, why_not_settable
from extauthz.outcome import Allow, Deny, Failed, Headers, Outcome
from extauthz.policy.engine import UNDEFINED, PolicyFailed

BODY_MOST = 1024 * 1024
"""Characters of a denied body; Envoy sends whatever it is given."""
HEADERS_MOST = 100
"""Headers of one kind in one result: what Envoy takes by default."""
_METADATA_DEPTH = 32
"""Levels: protobuf gives up at 100 levels of messages, three for each of JSON, and Envoy would
then see no answer at all."""
_METADATA_VALUES = 1000


class _Wrong(Exception):
    """A field that is not as the contract says; its text is a reason."""


def outcome_of(answer: object, reason: str, compat: bool = False) -> Outcome:
    """Read what an engine gave.

    Args:
        answer: of `Engine.decide`.
        reason: the word for a decision that was made: `rego`, `opa`.
        compat: whether the policy says `compat: opa-envoy`.

    Returns:
        An allowance only for `true` or an object whose `allowed` is `true`.
    """
    if answer is True:
        return _allowance_alone(reason, compat)
    if answer is False:
        return _refusal_alone(reason, compat)
    if answer is UNDEFINED:
        return Failed("undefined")
    if isinstance(answer, PolicyFailed):
        return Failed(answer.reason, answer.unanswered)
    if not isinstance(answer, Mapping):
        return Failed("result_type")
    try:
        allowed = answer.get("allowed")
        if allowed is True:
            return _allowance(answer, reason, compat)
        if allowed is False:
            return _refusal(answer, reason, compat)
    except _Wrong as wrong:
        return Failed(str(wrong))
    return Failed("result_allowed")


@lru_cache(maxsize=16)
def _allowance_alone(reason: str, compat: bool) -> Allow:
    return Allow(reason, compat=compat)  # one object for all requests: 0.2 us less


@lru_cache(maxsize=16)
def _refusal_alone(reason: str, compat: bool) -> Deny:
    return Deny(reason, compat=compat)


def _allowance(answer: Mapping[str, Any], reason: str, compat: bool) -> Allow:
    headers = _headers(answer, "headers", compat, REQUEST_LINE)
    added = _headers(answer, "response_headers_to_add", compat)
    remove = tuple(dict.fromkeys(_removals(answer, compat)))
    return Allow(
        reason,
        # a name in both is taken off, as Envoy does it; so it is not set in the first place
        tuple(one for one in (headers if compat else _joined(headers)) if one[0] not in remove),
        remove,
        tuple(added) if compat else _joined(added, "set-cookie"),
        _query(answer, compat),
        _strings(answer, "query_parameters_to_remove"),
        _metadata(answer),
        compat,
    )


def _refusal(answer: Mapping[str, Any], reason: str, compat: bool) -> Deny:
    status = answer.get("http_status", 403)
    if isinstance(status, Decimal) and status == status.to_integral_value() and not compat:
        status = int(status)  # the plugin takes 403, but not 403.0 or 4.03e2
    if type(status) is not int or status not in STATUSES:
        raise _Wrong("result_http_status")
    body = answer.get("body", "")
    if not isinstance(body, str) or len(body) > BODY_MOST or not _has_utf8(body):
        raise _Wrong("result_body")
    headers = tuple(_headers(answer, "headers", compat))
    return Deny(reason, status, headers, body, _metadata(answer), compat)


def _headers(
    answer: Mapping[str, Any], field: str, compat: bool, besides: frozenset[str] = frozenset()
) -> list[tuple[str, str]]:
    """An object, or a list of objects; each value a string or a list of strings.

    `besides` are pseudo-headers that a policy may set under `compat`.
    """
    given = answer.get(field, {})
    found = []
    for group in given if isinstance(given, list) else [given]:
        if not isinstance(group, Mapping):
            raise _Wrong(f"result_{field}")
        for name, values in group.items():
            lower = name.lower() if isinstance(name, str) else ""
            if not (is_name(lower) or lower in besides if compat else not why_not_settable(lower)):
                raise _Wrong(f"result_{field}")
            for value in values if isinstance(values, list) else [values]:
                if not isinstance(value, str) or not is_value(value):
                    raise _Wrong(f"result_{field}")
                if not (compat and lower in FRAMING):
                    found.append((lower, value))
    if len(found) > HEADERS_MOST:
        raise _Wrong(f"result_{field}")
    return found


def _joined(headers: list[tuple[str, str]], apart: str = "") -> Headers:
    """One entry a name, since Envoy takes the last of several; those of `apart` stay so."""
    lists: dict[str, list[str]] = {}
    cookies = []
    for name, value in headers:
        if name == apart:
            cookies.append((name, value))
        else:
            lists.setdefault(name, []).append(value)
    return (
        *(
            (name, ("; " if name == "cookie" else ", ").join(values))
            for name, values in lists.items()
        ),
        *cookies,
    )


def _removals(answer: Mapping[str, Any], compat: bool) -> Iterator[str]:
    for name in _strings(answer, "request_headers_to_remove"):
        if is_name(name):
            yield name.lower()
        elif not compat:  # Envoy passes over what cannot be removed (extauthz.md 5.8)
            raise _Wrong("result_request_headers_to_remove")


def _query(answer: Mapping[str, Any], compat: bool) -> tuple[tuple[str, str], ...]:
    """An object of strings or lists; Envoy keeps the last of a list (extauthz.md 5.11)."""
    given = answer.get("query_parameters_to_set", {})
    if not isinstance(given, Mapping):
        raise _Wrong("result_query_parameters_to_set")
    found: list[tuple[str, str]] = []
    for name, values in given.items():
        texts = values if isinstance(values, list) else [values]
        if not isinstance(name, str) or not all(
            isinstance(text, str) and _has_utf8(name + text) for text in texts
        ):
            raise _Wrong("result_query_parameters_to_set")
        found.extend((name, text) for text in (texts if compat else texts[-1:]))
    return tuple(found)


def _strings(answer: Mapping[str, Any], field: str) -> tuple[str, ...]:
    given = answer.get(field, [])
    if not isinstance(given, list) or not all(
        isinstance(one, str) and _has_utf8(one) for one in given
    ):
        raise _Wrong(f"result_{field}")
    return tuple(given)


def _metadata(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    if "dynamic_metadata" not in answer:
        return None
    if not isinstance(answer["dynamic_metadata"], Mapping):
        raise _Wrong("result_dynamic_metadata")
    made: dict[str, Any] = _struct_value(
        answer["dynamic_metadata"], _METADATA_DEPTH, [_METADATA_VALUES]
    )
    return made


def _struct_value(value: Any, depth: int, budget: list[int]) -> Any:
    """A value as protobuf's Struct takes it: numbers are doubles there."""
    budget[0] -= 1
    if depth < 0 or budget[0] < 0:
        raise _Wrong("result_dynamic_metadata")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        number = _double(value)
        if number is not None:
            return number
    if isinstance(value, str) and _has_utf8(value):
        return value
    if isinstance(value, list):
        return [_struct_value(one, depth - 1, budget) for one in value]
    if isinstance(value, Mapping) and all(
        isinstance(name, str) and _has_utf8(name) for name in value
    ):
        return {name: _struct_value(one, depth - 1, budget) for name, one in value.items()}
    raise _Wrong("result_dynamic_metadata")


def _double(value: int | Decimal) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
