"""The wall clock jumps by an hour, both ways, while requests come."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callout.testing.redis import RedisServer
from callout.testing.requests import check_request, rate_limit_request
from tests.end_to_end.serve import EVERYBODY, Serve, policy, write_bundle
from tests.extauthz import tokens
from tests.faults.conftest import Back
from tests.faults.load import UNHURRIED, Load, check, limit, slowest
from tests.faults.wall_clock import WallClock

HOUR = 3600
AT_ONCE: float = 0.25
"""Seconds: what nothing delays takes a millisecond, what waits for a neighbour a second."""

BUNDLE = {
    "all.yaml": policy(
        "all",
        f"auth: {{identity: [jwt: {{issuer: '{tokens.ISSUER}', audience: [shop],"
        " jwks: {file: jwks.json}}], decide: {rego: rego, entrypoint: shop/allow}}",
    )
    + policy(
        "limits",
        "limits: [{name: wide, by: [address], rate: 1000000/hour},"
        " {name: second, by: [address], rate: 5/s}]",
        "{path: /second}",
    )
    + policy("wide", "limits: [{name: wide, by: [address], rate: 1000000/hour}]", "{path: /wide}"),
    **EVERYBODY,
}


def bearing(**claims: int) -> object:
    now = int(time.time())
    whole = {
        "iat": now - 2 * HOUR,
        "exp": now + 24 * HOUR,
        **{k: now + v for k, v in claims.items()},
    }
    token = tokens.token(tokens.claims(**whole))
    return check_request(headers={"authorization": f"Bearer {token}"})


def asked(path: str) -> object:
    return rate_limit_request(
        "gatewright",
        {"host": "shop.example", "path": path, "method": "GET", "remote_address": "198.51.100.7"},
    )


@pytest.fixture
def wall_clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


@pytest.fixture
def serve(
    tmp_path: Path,
    wall_clock: WallClock,
    private_redis: RedisServer,
    request: pytest.FixtureRequest,
) -> Iterator[Serve]:
    bundle = write_bundle(tmp_path / "bundle", BUNDLE)
    (bundle / "jwks.json").write_bytes(tokens.jwks(tokens.jwk("ec")))
    flags = ["--redis", private_redis.url] if request.param == "redis" else []
    environ = {**UNHURRIED, **wall_clock.environ}
    with closing(Serve(tmp_path, bundle, *flags, environ=environ)) as running:
        yield running


COUNTED = pytest.mark.parametrize("serve", ["memory", "redis"], indirect=True)


def questions() -> tuple[object, ...]:
    return (
        check("a day", bearing(), True),
        check("ended", bearing(exp=-2 * HOUR), False),
        check("later", bearing(nbf=2 * HOUR), False),
        check("nobody", check_request(), False),
        limit("wide", asked("/wide"), True),
    )


@COUNTED
@pytest.mark.parametrize("jumps", [(HOUR, 0), (-HOUR, 0), (HOUR, -HOUR, 0)], ids=str)
def test_the_clock_jumps_and_requests_are_answered_as_ever(
    serve: Serve, wall_clock: WallClock, jumps: tuple[int, ...], back: Back
) -> None:
    with Load(serve.grpc, questions()) as load:  # type: ignore[arg-type]
        load.until_right(10.0)
        begun = time.monotonic()
        for seconds in jumps:
            wall_clock.jump(seconds)
            time.sleep(1.0)
        back("the clock jumps by an hour", load.until_right(2.0), 2.0)
    # Not one answer was late, wrong or missing: these are right by all of the clocks.
    assert all(each.right for each in load.outcomes(begun)), load.words(begun)
    assert slowest(load.outcomes(begun)) < load.allowing(AT_ONCE)
    assert serve.metric("gatewright_worker_restarts_total") == 0


@COUNTED
def test_a_token_is_believed_by_the_clock_of_now_whatever_is_remembered_of_it(
    serve: Serve, wall_clock: WallClock
) -> None:
    # Ends in half an hour: an hour later it has ended, although it was verified before.
    request = bearing(nbf=-60, exp=HOUR // 2)
    with serve.client() as client:
        for seconds, status in ((0, 0), (HOUR, 16), (0, 0), (-HOUR, 16), (0, 0)):
            wall_clock.jump(seconds)
            for _ in range(3):
                answer = client.check(request)  # type: ignore[arg-type]
                # An hour earlier it is not valid yet, although it was verified before.
                assert (answer.status.code == 0) is (status == 0), (seconds, answer)
                assert answer.HasField("ok_response") is (status == 0)


@COUNTED
@pytest.mark.parametrize("away", [HOUR, -HOUR])
def test_a_limit_goes_on_limiting_and_locks_nobody_out(
    serve: Serve, wall_clock: WallClock, away: int
) -> None:
    def passed(seconds: float) -> tuple[int, int]:
        """How many of a steady stream passed, and how many were refused."""
        end = time.monotonic() + seconds
        codes = []
        with serve.client() as client:
            while time.monotonic() < end:
                answer = client.should_rate_limit(asked("/second"))  # type: ignore[arg-type]
                codes.append(answer.overall_code)
                time.sleep(0.02)
        return codes.count(1), codes.count(2)

    for seconds in (0, away, 0):
        wall_clock.jump(seconds)
        let, refused = passed(3.0)
        # Five a second, in three to four windows, and not more.
        assert 10 <= let <= 20, (seconds, let, refused)
        assert refused > 20, (seconds, let, refused)
