"""Builtins that look outside of the policy (v1/topdown/http.go, net.go, runtime.go).

They need a permit; a plan that calls one without is refused when it is loaded.
"""

import dataclasses
from typing import Any

from extauthz.policy.builtins import operands
from extauthz.policy.builtins.memory import once
from extauthz.policy.errors import BuiltinError
from extauthz.policy.outside.http_cache import HttpCache
from extauthz.policy.outside.http_client import NetworkFailed
from extauthz.policy.outside.http_messages import (
    CACHEABLE,
    Answer,
    Request,
    error_value,
    read_request,
)
from extauthz.policy.outside.world import World, world_of
from extauthz.policy.translator.runtime import KEPT, NOW
from extauthz.policy.values.representation import RegoSet, Value, encode, make_set


def lookup_ip_addr(memo: dict[Any, Any], name: Value) -> RegoSet:
    """`net.lookup_ip_addr(name)`: its addresses."""
    host = operands.string(name, 1)
    world = world_of(memo)
    if host.lower() not in world.permits.lookup:
        raise BuiltinError(f"disallowed host: {host}")

    def ask() -> RegoSet:
        try:
            return make_set(world.lookup(host))
        except (OSError, UnicodeError) as error:
            raise BuiltinError(f"lookup {host}: {error}") from None

    found: RegoSet = once(memo, ("net.lookup_ip_addr", host), ask)
    return found


def runtime(memo: dict[Any, Any]) -> Value:
    """`opa.runtime()`: what the permit says of this process."""
    return dict(world_of(memo).permits.runtime or {})


def http_send(memo: dict[Any, Any], request: Value) -> Value:
    """`http.send(request)`: one answer for equal requests in one evaluation."""
    fields = operands.object_(request, 1)
    raises = fields.get("raise_error", True)
    if type(raises) is not bool:
        raise BuiltinError("invalid value for raise_error field")
    try:
        return _sent(memo, fields)
    except NetworkFailed as error:
        if raises:
            raise BuiltinError(str(error)) from None
        return error_value("eval_http_send_network_error", str(error))
    except BuiltinError as error:
        if raises:
            raise
        return error_value("eval_http_send_internal_error", error.message)


def _sent(memo: dict[Any, Any], fields: dict[Value, Value]) -> Value:
    world = world_of(memo)
    permit = world.permits.http
    assert permit is not None  # noqa: S101 - a plan without one was refused
    asked = read_request(fields, permit)
    key = "http.send", encode(_identity(fields))
    kept = memo[KEPT]
    if key not in kept:
        kept[key] = _outcome(world, asked, key, memo[NOW] / 1e9)
    outcome = kept[key]
    if isinstance(outcome, Exception):
        raise outcome
    value = outcome.value(asked)
    if not asked.shared and outcome.status not in CACHEABLE:
        del kept[key]
    return value


def _identity(fields: dict[Value, Value]) -> dict[Value, Value]:
    """What makes two requests the same."""
    ignored = fields.get("cache_ignored_headers")
    headers = fields.get("headers")
    if ignored is None or type(headers) is not dict:
        return {**fields, "cache_ignored_headers": None}
    if type(ignored) is not list or any(type(each) is not str for each in ignored):
        raise BuiltinError("cache_ignored_headers must be an array of strings")
    left = {name: value for name, value in headers.items() if name not in ignored}
    return {**fields, "headers": left, "cache_ignored_headers": None}


def _outcome(world: World, asked: Request, key: Any, now: float) -> Answer | Exception:
    try:
        if not asked.shared:
            return world.send(asked)
        return _shared(world, asked, key, now)
    except (NetworkFailed, BuiltinError) as error:
        return error


def _shared(world: World, asked: Request, key: Any, now: float) -> Answer:
    """From the cache, or asked whether that is still so, or asked anew."""
    cache: HttpCache = world.cache
    kept = cache.get(key)
    if kept is not None and now < kept.expires:
        return kept.answer
    if kept is not None:
        cache.drop(key)
        conditions = [
            (name, kept.answer.header(of))
            for name, of in (("if-none-match", "etag"), ("if-modified-since", "last-modified"))
            if kept.answer.header(of)
        ]
        if conditions:
            again = dataclasses.replace(asked, headers=(*asked.headers, *conditions))
            answer = world.send(again)
            if answer.status == 304:
                headers = {**kept.answer.headers, **answer.headers}
                answer = dataclasses.replace(kept.answer, headers=headers)
            if answer.status == 200 or answer.body is kept.answer.body:
                _keep(cache, asked, key, answer, now)
                return answer
    answer = world.send(asked)
    _keep(cache, asked, key, answer, now)
    return answer


def _keep(cache: HttpCache, asked: Request, key: Any, answer: Answer, now: float) -> None:
    if answer.status not in CACHEABLE or not (asked.forced or answer.storable()):
        return
    try:
        expires = now + asked.forced if asked.forced else answer.expires()
    except BuiltinError:
        return
    cache.put(key, answer, expires)
