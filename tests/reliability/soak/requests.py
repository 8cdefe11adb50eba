"""What the clients of a soak ask, and what each must be answered."""

import random
from dataclasses import dataclass
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric import ec
from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2

from callout.testing.requests import BROWSER_HEADERS, check_request, rate_limit_request
from tests.load import payloads

Kind = Literal["check", "limit"]

POOL: Final = 4000
"""Different requests of one client: more than any memo of plans is likely to be good for."""
TOKENS: Final = 400


@dataclass(frozen=True, slots=True)
class Question:
    """One request and the only right answer."""

    kind: Kind
    message: bytes
    passes: bool


def pool(seed: int, key: ec.EllipticCurvePrivateKey) -> list[Question]:
    """So many different requests: half of them Checks, a part of those with tokens."""
    chosen = random.Random(seed)
    stranger = ec.generate_private_key(ec.SECP256R1())
    good = [payloads.token(key) for _ in range(TOKENS)]
    bad = [payloads.token(stranger) for _ in range(TOKENS // 8)]
    makers = (_by_role, _by_role, lambda each: _by_token(each, good, bad), _limit, _limit, _limit)
    return [makers[number % len(makers)](chosen) for number in range(POOL)]


def passes(kind: Kind, answer: bytes) -> bool | None:
    """Whether this answer lets the request pass; None: it is no decision, but a failure of ours."""
    if kind == "limit":
        limits = rls_pb2.RateLimitResponse.FromString(answer)
        if limits.overall_code == rls_pb2.RateLimitResponse.UNKNOWN or not limits.statuses:
            return None
        return bool(limits.overall_code == rls_pb2.RateLimitResponse.OK)
    decided = external_auth_pb2.CheckResponse.FromString(answer)
    if decided.denied_response.status.code == 503:
        return None
    return bool(decided.HasField("ok_response") and decided.status.code == 0)


def _trace(chosen: random.Random) -> dict[str, str]:
    trace, span = chosen.getrandbits(128) | 1, chosen.getrandbits(64) | 1
    return {"traceparent": f"00-{trace:032x}-{span:016x}-01"}


def _by_role(chosen: random.Random) -> Question:
    user = chosen.choice((payloads.ALLOWED_USER, payloads.DENIED_USER, f"u{chosen.random()}"))
    message = check_request(
        path=f"/orders/{chosen.randrange(10**6)}?page={chosen.randrange(9)}",
        host=payloads.HOST,
        headers={**BROWSER_HEADERS, **_trace(chosen), "x-user": user},
    )
    return Question("check", message.SerializeToString(), user == payloads.ALLOWED_USER)


def _by_token(chosen: random.Random, good: list[str], bad: list[str]) -> Question:
    right = chosen.random() < 0.8
    token = chosen.choice(good if right else bad)
    message = payloads.check_message(payloads.JWT_HOST, payloads.ALLOWED_USER, token)
    message.attributes.request.http.headers.update(_trace(chosen))
    return Question("check", message.SerializeToString(), right)


def _limit(chosen: random.Random) -> Question:
    banned = chosen.random() < 0.1
    address = "banned" if banned else f"198.51.{chosen.randrange(256)}.{chosen.randrange(256)}"
    descriptors = [
        {"remote_address": address},
        {"user": f"u{chosen.randrange(10**5)}", "path": f"/{chosen.randrange(100)}"},
    ]
    message = rate_limit_request("bench", *descriptors[: chosen.choice((1, 2))])
    return Question("limit", message.SerializeToString(), not banned)
