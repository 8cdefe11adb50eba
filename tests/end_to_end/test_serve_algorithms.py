"""Algorithms as they are served: two workers, many connections, one count."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from callout.testing.redis import RedisServer
from callout.testing.requests import rate_limit_request
from tests.end_to_end.callers import OK, passed
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve, policy, write_bundle

CONNECTIONS = 20
LIMITS = """limits:
  - {name: log, by: [address], rate: 60/year, algorithm: sliding-log}
  - {name: bucket, by: [host], rate: 100/year, algorithm: token-bucket}
  - {name: both, rate: [150/month, 900/year], algorithm: sliding-window}
  - {name: plain, rate: 800/year}
"""


def bundle(folder: Path, limits: str = LIMITS) -> Path:
    return write_bundle(folder / "bundle", {"all.yaml": policy("all", limits)})


@pytest.fixture(params=["redis", "memory"])
def serve(
    request: pytest.FixtureRequest, tmp_path: Path, private_redis: RedisServer
) -> Iterator[Serve]:
    flags = ["--workers", "2"]
    if request.param == "redis":
        flags += ["--redis", private_redis.url]
    with closing(Serve(tmp_path, bundle(tmp_path), *flags)) as running:
        yield running


def asked(address: str, host: str = "shop.example", hits: int = 0, **more: str) -> Any:
    entries = {"host": host, "path": "/", "method": "GET", "remote_address": address}
    return rate_limit_request("gatewright", entries | more, hits_addend=hits)


def test_every_limit_holds_exactly_and_what_one_refuses_no_other_counts(serve: Serve) -> None:
    assert len(serve.workers()) == 2
    assert passed(serve, asked("198.51.100.1"), CONNECTIONS, 10) == 60  # by the log of the address
    assert passed(serve, asked("198.51.100.2"), CONNECTIONS, 10) == 40  # by the bucket of the host
    assert (
        passed(serve, asked("198.51.100.3", "other.example"), CONNECTIONS, 10) == 50
    )  # by the window of all
    counted = {"face": "limit", "verdict": "deny", "reason": "over_limit"}
    until(lambda: serve.metric("gatewright_decisions_total", **counted) == 600 - 150, 10)
    with closing(serve.client()) as client:
        (status,) = client.should_rate_limit(asked("198.51.100.1")).statuses
        assert status.limit_remaining == 0
        assert status.duration_until_reset.seconds > 3600


def test_a_reload_keeps_what_was_counted_where_only_the_number_changed(
    serve: Serve, tmp_path: Path
) -> None:
    assert passed(serve, asked("198.51.100.4"), CONNECTIONS, 4) == 60
    digest = serve.config()["digest"]
    bundle(tmp_path, LIMITS.replace("60/year", "75/year"))
    until(lambda: set(serve.config()["workers"].values()).isdisjoint({digest, None}), 60)
    assert passed(serve, asked("198.51.100.4"), CONNECTIONS, 4) == 15
    digest = serve.config()["digest"]
    bundle(tmp_path, LIMITS.replace("60/year, algorithm: sliding-log", "3/year"))
    until(lambda: set(serve.config()["workers"].values()).isdisjoint({digest, None}), 60)
    assert passed(serve, asked("198.51.100.4"), CONNECTIONS, 4) == 3


def test_what_is_settled_counts_for_all_workers(serve: Serve) -> None:
    with closing(serve.client()) as client:
        settled = client.should_rate_limit(asked("198.51.100.5", hits=40, step="settle"))
        assert settled.overall_code == OK
    assert passed(serve, asked("198.51.100.5"), CONNECTIONS, 4) == 20
