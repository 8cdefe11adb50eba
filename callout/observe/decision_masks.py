"""What decision logs mask unless the operator shows it: one visible table of names."""

from typing import Final

HEADERS: Final = (
    "api-key",
    "apikey",
    "authorization",
    "cf-access-jwt-assertion",
    "cookie",
    "dpop",
    "private-token",
    "proxy-authorization",
    "set-cookie",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-goog-api-key",
    "x-goog-iap-jwt-assertion",
    "x-id-token",
    "x-jwt-assertion",
    "x-vault-token",
    "x-xsrf-token",
)
"""Headers that hold credentials, wherever a field is named so; their values are erased."""
MASKS: Final = {
    **dict.fromkeys(HEADERS, "the header of this name, in the request and in the result: erased"),
    "body": "`body`, `rawBody` and `parsed_body` of the request: erased",
    "query": "values of query parameters that are named like a secret, in paths, `parsed_query`"
    " and URLs: `***`",
    "raw-headers": "`headerMap`, which repeats all headers in base64: erased",
    "secret-names": "other fields and headers that are named like a secret (`clientSecret`,"
    " `x-partner-token`): erased",
    "tokens": "JWTs, `Bearer ...`, private keys and passwords in URLs, in any text: `***`",
}
"""All masks by name, and what each does; `decision_logs.show` turns single ones off."""

QUERY_NAMES: Final = frozenset(
    {
        "apikey", "auth", "code", "credential", "jwt", "key", "otp", "pass", "pin", "sas",
        "session", "sessionid", "sid", "sig", "signature", "ticket", "x-amz-credential",
        "x-amz-signature",
    }
)  # fmt: skip
"""Query parameters that hold credentials, beside those that are named like a secret."""
