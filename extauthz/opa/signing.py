"""Requests signed for AWS, version 4, as OPA's `s3_signing` signs them. Pure."""

from collections.abc import Mapping
from typing import Final

from extauthz.opa.problems import RequestFailed
from extauthz.opa.settings import S3Signing
from extauthz.policy.builtins.aws import sign_request
from extauthz.policy.values.representation import Value
from extauthz.policy.values.text import go_string

NEEDED: Final = {
    "aws_access_key": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_region": "AWS_REGION",
}
"""Variables of `environment_credentials`, as OPA reads them."""
TOKENS: Final = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
"""One of temporary credentials, by its new and its old name."""


def signed_headers(
    signing: S3Signing,
    environ: Mapping[str, str],
    method: str,
    url: str,
    body: bytes,
    seconds: float,
) -> dict[str, str]:
    """The headers that say who asks.

    Args:
        signing: for which service of AWS.
        environ: has the keys.
        method: in capitals.
        url: escaped, as it is sent.
        body: what is sent.
        seconds: since 1970.

    Raises:
        RequestFailed: a variable is lacking.
    """
    config: dict[Value, Value] = {"aws_service": signing.service}
    for name, variable in NEEDED.items():
        if not environ.get(variable):
            raise RequestFailed(f"request failed: no {variable} set in environment")
        config[name] = environ[variable]
    if token := next(filter(None, map(environ.get, TOKENS)), None):
        config["aws_session_token"] = token
    request: dict[Value, Value] = {"method": method, "url": url, "raw_body": go_string(body)}
    signed = sign_request(request, config, int(seconds) * 10**9)
    headers: dict[str, str] = signed["headers"]
    return headers
