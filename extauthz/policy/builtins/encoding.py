"""Encodings and digests (v1/topdown/encoding.go, crypto.go). Strings are their UTF-8 bytes."""

import base64
import hashlib
import hmac
import re
import urllib.parse
from collections.abc import Callable
from typing import Final

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError, OperandError
from extauthz.policy.values.representation import Value
from extauthz.policy.values.text import from_json, go_bytes, go_string, plain, to_json

_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BASE64_URL: Final = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?")
_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")


def json_marshal(value: Value) -> str:
    """`json.marshal(value)`."""
    return to_json(value)


def json_unmarshal(text: Value) -> Value:
    """`json.unmarshal(text)`; numbers stay as they are written."""
    try:
        return from_json(operands.string(text, 1))
    except ValueError as error:
        raise BuiltinError(str(error)) from None


def json_is_valid(text: Value) -> bool:
    """`json.is_valid(text)`."""
    if type(text) is not str:
        return False
    try:
        from_json(text)
    except ValueError:
        return False
    except BuiltinError:
        return True  # JSON with a number that OPA would not calculate with
    return True


def base64_encode(text: Value) -> str:
    """`base64.encode(text)`."""
    return base64.b64encode(go_bytes(operands.string(text, 1))).decode()


def base64_decode(text: Value) -> str:
    """`base64.decode(text)`: with padding; line ends are ignored."""
    return go_string(decode64(operands.string(text, 1)))


def decode64(text: str) -> bytes:
    """The bytes of base64 with padding.

    Raises:
        BuiltinError: it is none.
    """
    return _decode64(text, _BASE64, base64.b64decode)


def base64_is_valid(text: Value) -> bool:
    """`base64.is_valid(text)`."""
    return type(text) is str and _BASE64.fullmatch(_no_lines(text)) is not None


def base64url_encode(text: Value) -> str:
    """`base64url.encode(text)`."""
    return base64.urlsafe_b64encode(go_bytes(operands.string(text, 1))).decode()


def base64url_encode_no_pad(text: Value) -> str:
    """`base64url.encode_no_pad(text)`."""
    return base64url_encode(text).rstrip("=")


def base64url_decode(text: Value) -> str:
    """`base64url.decode(text)`: padding may be left out."""
    source = operands.string(text, 1)
    if not source.endswith("="):
        length = len(go_bytes(source)) % 4
        if length == 1:
            raise BuiltinError(f"illegal base64url string: {source}")
        source += "=" * (-length % 4)
    return go_string(_decode64(source, _BASE64_URL, base64.urlsafe_b64decode))


def _no_lines(text: str) -> str:
    return text.replace("\n", "").replace("\r", "")


def _decode64(text: str, shape: re.Pattern[str], decode: Callable[[str], bytes]) -> bytes:
    clean = _no_lines(text)
    if not shape.fullmatch(clean):
        raise BuiltinError("illegal base64 data")
    return decode(clean)


def hex_encode(text: Value) -> str:
    """`hex.encode(text)`."""
    return go_bytes(operands.string(text, 1)).hex()


def hex_decode(text: Value) -> str:
    """`hex.decode(text)`."""
    source = operands.string(text, 1)
    bad = re.search("[^0-9A-Fa-f]", source)
    if bad:
        raise BuiltinError(f"encoding/hex: invalid byte: U+{ord(bad[0]):04X} '{bad[0]}'")
    if len(source) % 2:
        raise BuiltinError("encoding/hex: odd length hex string")
    return go_string(bytes.fromhex(source))


def urlquery_encode(text: Value) -> str:
    """`urlquery.encode(text)`."""
    return _escape(operands.string(text, 1))


def _escape(text: str) -> str:
    return urllib.parse.quote_plus(go_bytes(text), safe="")


def _unescape(text: str) -> str:
    bad = _ESCAPE.search(text)
    if bad:
        at = bad.start()
        raise BuiltinError(f'invalid URL escape "{text[at : at + 3]}"')
    return go_string(urllib.parse.unquote_to_bytes(go_bytes(text.replace("+", " "))))


def urlquery_decode(text: Value) -> str:
    """`urlquery.decode(text)`."""
    return _unescape(operands.string(text, 1))


def urlquery_encode_object(fields: Value) -> str:
    """`urlquery.encode_object(fields)`: values are strings, or arrays or sets of strings."""
    if type(fields) is not dict:
        raise operands.wrong_type(1, fields, "object")
    query: dict[str, list[str]] = {}
    for name, value in plain(fields).items():
        values = [value] if type(value) is str else value
        if type(values) is not list or any(type(item) is not str for item in values):
            raise OperandError("operand 1 values must be string, array[string], or set[string]")
        query[name] = values
    return "&".join(
        f"{_escape(name)}={_escape(value)}" for name in sorted(query) for value in query[name]
    )


def urlquery_decode_object(text: Value) -> dict[str, list[str]]:
    """`urlquery.decode_object(text)`: each name with the array of its values."""
    query: dict[str, list[str]] = {}
    failure: BuiltinError | None = None
    for part in operands.string(text, 1).split("&"):
        if ";" in part:
            failure = BuiltinError("invalid semicolon separator in query")
            continue
        if part:
            name, _, value = part.partition("=")
            try:
                query.setdefault(_unescape(name), []).append(_unescape(value))
            except BuiltinError as error:
                failure = failure or error
    if failure:
        raise failure
    return query


def _digest(name: str) -> Callable[[Value], str]:
    def digest(text: Value) -> str:
        data = go_bytes(operands.string(text, 1))
        return hashlib.new(name, data, usedforsecurity=False).hexdigest()

    return digest


def _keyed(name: str) -> Callable[[Value, Value], str]:
    def keyed(text: Value, key: Value) -> str:
        message, secret = operands.string(text, 1), operands.string(key, 2)
        return hmac.new(go_bytes(secret), go_bytes(message), name).hexdigest()

    return keyed


md5, sha1, sha256 = map(_digest, ("md5", "sha1", "sha256"))
hmac_md5, hmac_sha1, hmac_sha256, hmac_sha512 = map(_keyed, ("md5", "sha1", "sha256", "sha512"))


def hmac_equal(a: Value, b: Value) -> bool:
    """`crypto.hmac.equal(a, b)`, in constant time."""
    return hmac.compare_digest(go_bytes(operands.string(a, 1)), go_bytes(operands.string(b, 2)))
