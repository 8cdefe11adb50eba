"""`gatewright serve --er-config` with the folder and the environment of envoyproxy/ratelimit."""

import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import pytest
import redis

from callout.testing.redis import RedisServer
from callout.testing.redis_cluster import RedisCluster
from callout.testing.redis_sentinel import SentinelTrio
from callout.testing.requests import rate_limit_request
from tests.end_to_end.conftest import until
from tests.end_to_end.serve import Serve

OK, OVER = 1, 2


def limits(requests: int) -> str:
    rule = f"{{key: tenant, rate_limit: {{unit: year, requests_per_unit: {requests}}}}}"
    return f"domain: edge\ndescriptors:\n  - {rule}\n"


def config_map(folder: Path, version: str, files: dict[str, str]) -> None:
    """As the kubelet mounts one: real files in a folder with a dot, `..data` turned to it."""
    (folder / f"..{version}").mkdir(parents=True)
    for name, text in files.items():
        (folder / f"..{version}" / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..new").symlink_to(f"..{version}")
    (folder / "..new").rename(folder / "..data")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("er")
    config_map(folder / "one" / "rl" / "config", "1", {"edge": limits(2)})
    (folder / "current").symlink_to("one")
    return folder


@pytest.fixture(scope="module")
def statsd() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(30)
        yield listening


@pytest.fixture(scope="module")
def serve(root: Path, redis_server: RedisServer, statsd: socket.socket) -> Iterator[Serve]:
    redis_server.flush()
    environ = {
        "RUNTIME_ROOT": str(root / "current"),
        "RUNTIME_SUBDIRECTORY": "rl",
        "REDIS_URL": redis_server.unix_url.removeprefix("unix://").partition("?")[0],
        "REDIS_POOL_SIZE": "10",
        "USE_STATSD": "true",
        "STATSD_HOST": "127.0.0.1",
        "STATSD_PORT": str(statsd.getsockname()[1]),
        "STATS_FLUSH_INTERVAL": "100ms",
        "EXTRA_TAGS": "env:test",
        "LOG_FORMAT": "json",
    }
    with closing(Serve(root, None, "--er-config", "--workers", "1", environ=environ)) as running:
        yield running


def asked(serve: Serve, tenant: str, times: int) -> list[int]:
    request = rate_limit_request("edge", {"tenant": tenant})
    with serve.client() as client:
        return [client.should_rate_limit(request, timeout=10).overall_code for _ in range(times)]


def test_the_limits_of_a_config_map_hold_and_each_file_is_read_once(serve: Serve) -> None:
    assert asked(serve, "a", 3) == [OK, OK, OVER]


def test_statsd_hears_of_the_rule_what_envoyproxy_ratelimit_counts(
    serve: Serve, statsd: socket.socket
) -> None:
    asked(serve, "counted", 5)
    heard: Counter[str] = Counter()
    times = 0.0
    # The test before asked three times, and its hits may have been sent already.
    while heard["service.rate_limit.edge.tenant.total_hits"] < 8 or times < 7.99:
        for line in statsd.recv(65_536).decode().splitlines():
            name, _, value = line.partition(":")
            assert name.startswith("ratelimit")
            assert name.endswith(".__env=test")
            name = name.removeprefix("ratelimit.").removesuffix(".__env=test")
            number, kind, *rate = value.split("|")
            if kind == "ms":
                assert name == "ratelimit_server.ShouldRateLimit.response_time"
                assert 0 < float(number) < 10_000
                times += 1 / float(rate[0].removeprefix("@")) if rate else 1
            else:
                assert kind == "c"
                heard[name] += int(number)

    assert heard.pop("ratelimit_server.ShouldRateLimit.total_requests") == 8
    # It was sent by another process, perhaps before the first of the rules.
    assert heard.pop("service.config_load_success", 1) == 1
    found = {name.removeprefix("service.rate_limit.edge.tenant."): heard[name] for name in heard}
    # How many requests are answered without Redis depends on how fast they come.
    assert found.pop("over_limit_with_local_cache", 0) <= 3
    assert found == {"total_hits": 8, "within_limit": 4, "over_limit": 4, "near_limit": 2}


def test_what_has_no_effect_is_a_line_of_the_log(serve: Serve) -> None:
    told = [line["problem"] for line in serve.said("configuration")]

    assert len(told) == 1
    assert told[0].startswith("REDIS_POOL_SIZE: warning: has no effect")


def test_health_knows_the_name_of_envoyproxy_ratelimit(serve: Serve) -> None:
    with serve.client() as client:
        assert client.health("ratelimit") == "SERVING"


def test_changes_of_a_config_map_and_of_the_root_are_followed(root: Path, serve: Serve) -> None:
    config_map(root / "one" / "rl" / "config", "2", {"edge": limits(3)})
    until(lambda: serve.metric("gatewright_config_load_total", result="loaded") >= 2, 30)
    until(lambda: len(set(serve.config()["workers"].values())) == 1, 30)
    assert asked(serve, "b", 4) == [OK, OK, OK, OVER]

    (root / "two" / "rl" / "config").mkdir(parents=True)
    (root / "two" / "rl" / "config" / "edge.yaml").write_text(limits(1))
    (root / "next").symlink_to("two")
    (root / "next").rename(root / "current")
    until(lambda: serve.metric("gatewright_config_load_total", result="loaded") >= 3, 30)
    until(lambda: len(set(serve.config()["workers"].values())) == 1, 30)
    assert asked(serve, "c", 2) == [OK, OVER]


@pytest.mark.parametrize("kind", ["SENTINEL", "CLUSTER"])
def test_several_redis_servers_are_named_as_there(tmp_path: Path, kind: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "edge.yaml").write_text(limits(2))
    servers = RedisCluster if kind == "CLUSTER" else SentinelTrio
    # Names of Unix sockets have an end.
    with tempfile.TemporaryDirectory() as short, closing(servers(Path(short))) as redis:
        hosts, _, master = redis.url.partition("://")[2].partition("/")
        environ = {
            "RUNTIME_ROOT": str(tmp_path),
            "REDIS_TYPE": kind,
            "REDIS_URL": f"{master},{hosts}" if master else hosts,
        }
        flags = ("--er-config", "--workers", "1")
        with closing(Serve(tmp_path, None, *flags, environ=environ)) as running:
            until(lambda: running.metric("gatewright_redis_breaker") == 0, 20)
            assert asked(running, "a", 3) == [OK, OK, OVER]


def test_a_wrong_environment_ends_the_start_with_all_that_is_wrong(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gatewright.cli.main import main

    monkeypatch.setenv("RUNTIME_ROOT", str(tmp_path))
    monkeypatch.setenv("GRPC_PORT", "tcp://10.0.0.1:8081")
    monkeypatch.setenv("REDIS_AWS_IAM_AUTH", "true")

    assert main(["serve", "--er-config"]) == 1
    told = capfd.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["GRPC_PORT", "REDIS_AWS_IAM_AUTH"]


def test_both_ways_of_running_in_anothers_place_are_one_too_many(
    capfd: pytest.CaptureFixture[str],
) -> None:
    from gatewright.cli.main import main

    assert main(["serve", "--er-config", "x", "--opa-envoy-config", "y"]) == 1
    assert "--opa-envoy-config" in capfd.readouterr().err


def test_limits_per_second_have_a_redis_of_their_own_that_may_be_away(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "edge.yaml").write_text(
        limits(2) + "  - {key: quick, rate_limit: {unit: second, requests_per_unit: 1}}\n"
    )
    with ExitStack() as stack:
        servers = []
        for _ in range(2):
            short = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            servers.append(stack.enter_context(closing(RedisServer(short, password="pw"))))
        main, second = servers
        (tmp_path / "auth").write_text("pw\n")
        environ = {
            "RUNTIME_ROOT": str(tmp_path),
            "REDIS_SOCKET_TYPE": "tcp",
            "REDIS_URL": main.address,
            "REDIS_AUTH_FILE": str(tmp_path / "auth"),
            "REDIS_PERSECOND": "true",
            "REDIS_PERSECOND_URL": str(second.socket),
            "REDIS_PERSECOND_AUTH": "pw",
        }
        flags = ("--er-config", "--workers", "1")
        running = stack.enter_context(closing(Serve(tmp_path, None, *flags, environ=environ)))
        quick = rate_limit_request("edge", {"quick": "a"})
        with running.client() as client:
            assert client.should_rate_limit(quick, timeout=10).overall_code == OK
        with redis.Redis.from_url(second.url) as there:
            assert there.dbsize() == 1
        second.close()
        until(lambda: running.metric("gatewright_redis_per_second_breaker") == 2, 30)
        assert asked(running, "a", 3) == [OK, OK, OVER]
        with running.client() as client, pytest.raises(grpc.RpcError):
            client.should_rate_limit(quick, timeout=10)


def test_health_follows_redis_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "edge.yaml").write_text(limits(2))
    with tempfile.TemporaryDirectory() as short, closing(RedisServer(Path(short))) as server:
        environ = {
            "RUNTIME_ROOT": str(tmp_path),
            "REDIS_URL": str(server.socket),
            "REDIS_HEALTH_CHECK_ACTIVE_CONNECTION": "true",
        }
        flags = ("--er-config", "--workers", "1")
        with closing(Serve(tmp_path, None, *flags, environ=environ)) as running:
            with running.client() as client:
                until(lambda: client.health("ratelimit") == "SERVING", 20)
                server.close()
                until(lambda: client.health("ratelimit") == "NOT_SERVING", 20)
                server.restart()
                until(lambda: client.health("ratelimit") == "SERVING", 20)
            assert asked(running, "a", 1) == [OK]
