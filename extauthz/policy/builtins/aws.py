"""Signed requests to AWS, version 4 (v1/topdown/providers.go, internal/providers/aws)."""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from extauthz.policy.builtins import operands
from extauthz.policy.errors import BuiltinError, OperandError
from extauthz.policy.values import numbers
from extauthz.policy.values.representation import Value, make_set
from extauthz.policy.values.text import go_bytes, term, to_json

_CONFIG: Final = ("aws_access_key", "aws_region", "aws_secret_access_key", "aws_service")
_REQUEST: Final = ("method", "url")
_REQUEST_KEYS: Final = frozenset(
    {
        "method", "url", "body", "enable_redirect", "force_json_decode", "force_yaml_decode",
        "headers", "raw_body", "tls_use_system_certs", "tls_ca_cert", "tls_ca_cert_file",
        "tls_ca_cert_env_variable", "tls_client_cert", "tls_client_cert_file",
        "tls_client_cert_env_variable", "tls_client_key", "tls_client_key_file",
        "tls_client_key_env_variable", "tls_insecure_skip_verify", "tls_server_name", "timeout",
        "cache", "force_cache", "force_cache_duration_seconds", "raise_error", "caching_mode",
        "max_retry_attempts", "cache_ignored_headers",
    }
)  # fmt: skip
"""All that `http.send` takes; a request with another field is refused here, too."""
_NOT_SIGNED: Final = frozenset({"authorization", "user-agent", "x-amzn-trace-id"})
_PATH_SAFE: Final = "$&+,/:;=@-_.~!*'()[]%"


def sign_request(request: Value, config: Value, time_ns: Value) -> Value:
    """`providers.aws.sign_req(request, config, time_ns)`: the request with signed headers."""
    asked = operands.object_(request, 1)
    told = operands.object_(config, 1)
    _require(told, _CONFIG, 2, "AWS config parameters(s)")
    nanoseconds = numbers.as_index(operands.number(time_ns, 1))
    if nanoseconds is None:
        raise OperandError("operand 3 could not convert time_ns value into a unix timestamp")
    check_request(asked)
    headers = asked.get("headers", {})
    if type(headers) is not dict:
        raise operands.wrong_type(0, headers, "object")
    _require(asked, _REQUEST, 1, "request parameters(s)")
    unsigned = told.get("disable_payload_signing", False)
    if type(unsigned) is not bool:
        raise OperandError("operand 2 invalid value for 'disable_payload_signing' in AWS config")
    digest = "UNSIGNED-PAYLOAD" if unsigned else hashlib.sha256(_body(asked)).hexdigest()
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=nanoseconds // 10**9)
    given = {_plain(name): _plain(value) for name, value in headers.items()}
    signed = _signed(asked, given, told, digest, now)
    return {**asked, "headers": signed}


def check_request(request: dict[Value, Value]) -> None:
    """Refuse a request that lacks a field or has one that `http.send` does not know."""
    unknown = [key for key in request if key not in _REQUEST_KEYS]
    if unknown:
        raise OperandError(f"operand 1 invalid request parameters(s): {term(make_set(unknown))}")
    missing = [key for key in _REQUEST if key not in request]
    if missing:
        raise OperandError(
            f"operand 1 missing required request parameters(s): {term(make_set(missing))}"
        )


def _require(fields: dict[Value, Value], names: tuple[str, ...], position: int, what: str) -> None:
    for problem, bad in (
        ("missing required", [name for name in names if name not in fields]),
        ("invalid values for required", [n for n in names if type(fields.get(n)) is not str]),
    ):
        if bad:
            raise OperandError(f"operand {position} {problem} {what}: {term(make_set(bad))}")


def _plain(value: Value) -> str:
    return value if type(value) is str else ""


def _body(request: dict[Value, Value]) -> bytes:
    if "raw_body" in request:
        return go_bytes(_plain(request["raw_body"]))
    return go_bytes(to_json(request["body"])) if "body" in request else b""


def _url(text: str) -> tuple[str, str, str]:
    """Host, escaped path and query, as Go's `url.Parse` takes a URL apart."""
    if any(char < " " or char == "\x7f" for char in text):
        raise BuiltinError("net/url: invalid control character in URL")
    before, _, _ = text.partition("#")
    before, _, query = before.partition("?")
    _, scheme, rest = before.partition("://")
    if not scheme:
        return "", quote(before, safe=_PATH_SAFE), query
    authority, slash, path = rest.partition("/")
    return authority.rpartition("@")[2], quote(slash + path, safe=_PATH_SAFE), query


def _signed(
    request: dict[Value, Value],
    headers: dict[str, str],
    config: dict[Value, Value],
    digest: str,
    now: datetime,
) -> dict[Value, Value]:
    service, region = config["aws_service"], config["aws_region"]
    host, path, query = _url(request["url"])
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    own = {"host": host, "x-amz-date": moment}
    if service in ("s3", "glacier"):
        own["x-amz-content-sha256"] = digest
    if token := _plain(config.get("aws_session_token")):
        own["x-amz-security-token"] = token
    to_sign = dict(own)
    for name, value in headers.items():
        if name.lower() not in _NOT_SIGNED:
            to_sign[name.lower()] = value
    names = sorted(to_sign)
    listed = ";".join(names)
    fields = "".join(f"{name}:{to_sign[name]}\n" for name in names)
    canonical = f"{request['method']}\n{path}\n{query}\n{fields}\n{listed}\n{digest}"
    scope = f"{day}/{region}/{service}/aws4_request"
    summary = hashlib.sha256(go_bytes(canonical)).hexdigest()
    key = go_bytes("AWS4" + config["aws_secret_access_key"])
    for part in (day, region, service, "aws4_request",
                 f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{summary}"):  # fmt: skip
        key = hmac.digest(key, go_bytes(part), "sha256")
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={config['aws_access_key']}/{scope},"
        f"SignedHeaders={listed},Signature={key.hex()}"
    )
    return {**headers, "Authorization": authorization, **own}
