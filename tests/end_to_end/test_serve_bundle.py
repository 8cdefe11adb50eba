"""The bundle of a running service: missing, broken, mended, swapped, huge."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from callout.testing.grpc_client import Client
from callout.testing.requests import check_request, rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle

GOOD = {"all.yaml": policy("all", OPEN), **EVERYBODY}
NOBODY = {"rego/shop.rego": "package shop\n\nallow := false\n"}
BROKEN = {
    "no-folder": None,
    "empty-folder": {},
    "yaml": {"all.yaml": "apiVersion: [\n"},
    "rego": {"all.yaml": policy("all", OPEN), "rego/shop.rego": "package shop\nallow := \n"},
    "ratelimit": {**GOOD, "ratelimit/a.yaml": "domain: gatewright\n"},
}
REQUEST = rate_limit_request(
    "gatewright",
    {"host": "shop.example", "path": "/", "method": "GET", "remote_address": "192.0.2.1"},
)


def loads(serve: Serve, result: str = "loaded") -> float:
    return serve.metric("gatewright_config_load_total", result=result)


def allowed(client: Client) -> bool:
    return client.check(check_request()).status.code == 0


@pytest.mark.parametrize("broken", BROKEN)
def test_without_a_good_bundle_it_stays_up_denies_and_takes_a_good_one(
    tmp_path: Path, broken: str
) -> None:
    bundle = tmp_path / "bundle"
    files = BROKEN[broken]
    if files is not None:
        bundle.mkdir()
        write_bundle(bundle, files)
    with closing(Serve(tmp_path, bundle, wait=False)) as serve, serve.client() as client:
        until(lambda: loads(serve, "rejected") >= 1)
        grpc.channel_ready_future(client.channel).result(10)
        assert serve.process.poll() is None
        assert serve.admin("/healthz")[0] == 200
        status, text = serve.admin("/readyz")
        assert (status, '"ready": false' in text) == (503, True)
        assert serve.config()["problems"]
        assert serve.config()["digest"] is None
        assert loads(serve) == 0

        answer = client.check(check_request())
        assert answer.status.code == 7
        assert answer.denied_response.status.code == 503
        with pytest.raises(grpc.RpcError) as error:
            client.should_rate_limit(REQUEST)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        for service in ("", "authz", "limit"):
            assert client.health(service) == "NOT_SERVING"

        if files is not None:
            for each in bundle.rglob("*.yaml"):
                each.unlink()
        write_bundle(bundle, GOOD)
        until(lambda: allowed(client), 6)
        until(lambda: serve.admin("/readyz")[0] == 200)
        assert client.health() == "SERVING"
        assert client.should_rate_limit(REQUEST).overall_code == 1
        assert serve.config()["problems"] == []


@pytest.fixture
def good(tmp_path: Path) -> Iterator[Serve]:
    with closing(Serve(tmp_path, write_bundle(tmp_path / "bundle", GOOD))) as serve:
        yield serve


def test_sighup_reads_the_bundle_again(good: Serve) -> None:
    assert loads(good) == 1
    good.signal(signal.SIGHUP)
    until(lambda: loads(good) == 2)
    with good.client() as client:
        assert allowed(client)


def test_a_change_while_a_worker_is_replaced_reaches_the_new_one(
    good: Serve, tmp_path: Path
) -> None:
    (worker,) = good.workers()
    os.kill(worker, signal.SIGKILL)
    write_bundle(tmp_path / "bundle", NOBODY)
    digest = good.config()["digest"]
    until(lambda: good.config()["digest"] != digest)
    until(lambda: list(good.config()["workers"].values()) == [good.config()["digest"]])
    with good.client() as client:
        assert not allowed(client)


def test_a_configmap_swap_is_one_load(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    write_bundle(bundle / "..v1", GOOD)
    (bundle / "..data").symlink_to("..v1")
    for name in ("all.yaml", "rego"):
        (bundle / name).symlink_to(f"..data/{name}")
    with closing(Serve(tmp_path, bundle)) as serve, serve.client() as client:
        assert allowed(client)
        assert loads(serve) == 1

        # As the kubelet does it: a new folder, a new link beside, one rename, the old one removed.
        write_bundle(bundle / "..v2", {**GOOD, **NOBODY})
        (bundle / "..data_tmp").symlink_to("..v2")
        (bundle / "..data_tmp").rename(bundle / "..data")
        for each in sorted((bundle / "..v1").rglob("*"), reverse=True):
            each.unlink() if each.is_file() else each.rmdir()
        (bundle / "..v1").rmdir()

        until(lambda: not allowed(client), 6)
        time.sleep(1.5)
        assert loads(serve) == 2
        assert loads(serve, "rejected") == 0


def test_ten_thousand_policies_load_and_each_answers(tmp_path: Path) -> None:
    several = "".join(
        policy(
            f"p{index}",
            "limits: [{name: one, by: [], rate: 1/year}]",
            f'{{host: "h{index}.example"}}',
        )
        for index in range(10_000)
    )
    bundle = write_bundle(tmp_path / "bundle", {**GOOD, "many.yaml": several})
    with closing(Serve(tmp_path, bundle, wait=False)) as serve, serve.client() as client:
        until(lambda: serve.admin("/readyz")[0] == 200, 60)
        assert len(serve.config()["policies"]) == 10_001
        for index in (0, 4_999, 9_999):
            host = f"h{index}.example"
            assert client.check(check_request(host=host)).status.code == 0
            request = rate_limit_request(
                "gatewright",
                {"host": host, "path": "/", "method": "GET", "remote_address": "192.0.2.1"},
            )
            codes = [client.should_rate_limit(request).overall_code for _ in range(2)]
            assert codes == [1, 2]
