"""JSON web tokens: signed (v1/topdown/tokens.go)."""

import base64
import json
import re
from typing import Any, Final

from extauthz.policy.builtins import jwk, operands
from extauthz.policy.builtins.jwt_keys import ALGORITHMS
from extauthz.policy.builtins.jwt_signatures import sign
from extauthz.policy.errors import BuiltinError
from extauthz.policy.values.representation import Value
from extauthz.policy.values.text import go_bytes, to_json

_LOOSE_NUMBER: Final = re.compile(r"[0-9.eE+-]+")
"""What the JSON parser that OPA reads headers with takes for a number."""


def encode_sign(headers: Value, payload: Value, key: Value) -> str:
    """`io.jwt.encode_sign(headers, payload, key)`: all three as values."""
    return _signed(to_json(headers), to_json(payload), to_json(key))


def encode_sign_raw(headers: Value, payload: Value, key: Value) -> str:
    """`io.jwt.encode_sign_raw(headers, payload, key)`: all three as text, signed as it stands."""
    text = operands.string(key, 3)
    return _signed(operands.string(headers, 1), operands.string(payload, 2), text)


def _signed(headers: str, payload: str, key: str) -> str:
    try:
        keys = jwk.parse(key)
    except jwk.BadKey as error:
        raise BuiltinError(f"failed to parse JWK: {error}") from None
    if not keys:
        raise BuiltinError("no keys found in JWK set")
    fields = _fields(headers)
    alg = fields.get("alg")
    if "alg" not in fields:
        raise BuiltinError("missing or invalid 'alg' header: jwsbb: header \"alg\" not found")
    if not isinstance(alg, str):
        raise BuiltinError("missing or invalid 'alg' header: value doesn't contain string")
    if alg not in ALGORITHMS:
        raise BuiltinError(f"unknown JWS algorithm: {alg}")
    kind = fields.get("typ")
    if (not isinstance(kind, str) or kind == "JWT") and not _is_json(payload):
        raise BuiltinError("type is JWT but payload is not JSON")
    message = _encoded(go_bytes(headers)) + b"." + _encoded(go_bytes(payload))
    try:
        signature = sign(keys[0].material, alg, message)
    except jwk.BadKey as error:
        raise BuiltinError(str(error)) from None
    return (message + b"." + _encoded(signature)).decode()


def _fields(headers: str) -> dict[str, Any]:
    if _LOOSE_NUMBER.fullmatch(headers.strip()):
        return {}
    try:
        fields = json.loads(headers)
    except (ValueError, RecursionError):
        why = "" if headers.strip() else ": cannot parse empty string"
        raise BuiltinError(f"missing or invalid 'alg' header: cannot parse JSON{why}") from None
    return fields if isinstance(fields, dict) else {}


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
