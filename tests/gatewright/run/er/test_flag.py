"""Running in the place of envoyproxy/ratelimit: its environment and its folder in our words."""

from pathlib import Path

import pytest

from callout.config import settings
from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from callout.config.settings import Settings
from gatewright.run.er import flag
from gatewright.run.er.environment import VARIABLES, ErEnvironment, Variable, read
from gatewright.run.er.flag import FROM_ENVIRONMENT, ErRatelimit, as_bundle, read_er

FILE = b"domain: edge\ndescriptors:\n  - {key: tenant}\n"


def environment(**environ: str) -> ErEnvironment:
    found = read(environ)
    assert isinstance(found, ErEnvironment), found
    return found


def problems(**environ: str) -> dict[str, str]:
    found = read(environ)
    assert isinstance(found, Rejected), found
    return {each.file: each.message for each in found.problems}


def loaded(**environ: str) -> Settings:
    """Settings as `serve` reads them in this environment."""
    replaced = read_er(FROM_ENVIRONMENT, environ, {})
    assert isinstance(replaced, ErRatelimit), replaced
    found = replaced.settings(settings.load(None, replaced.environ(environ), {}))
    assert isinstance(found, Settings), found
    return found


def test_every_variable_has_one_row() -> None:
    names = [each.name for each in VARIABLES]

    assert len(names) == len(set(names)) == 140
    beside = {each.what for each in VARIABLES if each.use == "beside"}
    assert beside <= set(names)


def test_without_a_variable_it_listens_where_envoyproxy_ratelimit_does() -> None:
    found = loaded()

    assert found.listen.grpc == "0.0.0.0:8081"
    assert found.listen.admin == "127.0.0.1:6070"
    assert found.listen.http == "0.0.0.0:8080"
    assert found.faces == ("limit",)


@pytest.mark.parametrize(
    ("environ", "path", "value"),
    [
        ({}, "limits.compat", "er"),
        ({}, "limits.deny_cache", False),
        ({"LOCAL_CACHE_SIZE_IN_BYTES": "0"}, "limits.deny_cache", False),
        ({"LOCAL_CACHE_SIZE_IN_BYTES": "1048576"}, "limits.deny_cache", True),
        ({"CACHE_KEY_PREFIX": "10"}, "limits.key_prefix", "10"),
        ({}, "limits.expiry_jitter", 300),
        ({"EXPIRATION_JITTER_MAX_SECONDS": "7"}, "limits.expiry_jitter", 7),
        ({"EXPIRATION_JITTER_MAX_SECONDS": "-1"}, "limits.expiry_jitter", 0),
        ({}, "limits.merge_domains", False),
        ({"MERGE_DOMAIN_CONFIG": "true"}, "limits.merge_domains", True),
        ({"MERGE_DOMAIN_CONFIG": "F"}, "limits.merge_domains", False),
        ({"USE_CALENDAR_MONTH_RATE_LIMIT": "true"}, "limits.calendar_month", True),
        ({"STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT": "true"}, "limits.stop_when_over", True),
        ({"GATEWRIGHT_LIMITS__COMPAT": ""}, "limits.compat", None),
        ({"GRPC_PORT": "9"}, "listen.grpc", "0.0.0.0:9"),
        ({"GRPC_HOST": "127.0.0.1"}, "listen.grpc", "127.0.0.1:8081"),
        ({"GRPC_HOST": "::1", "GRPC_PORT": "9"}, "listen.grpc", "[::1]:9"),
        ({"GRPC_UDS": "/run/rl.sock", "GRPC_PORT": "9"}, "listen.grpc", "unix:/run/rl.sock"),
        ({"USE_PROMETHEUS": "true"}, "limits.prometheus.address", "0.0.0.0:9090"),
        ({"USE_PROMETHEUS": "true"}, "limits.prometheus.path", "/metrics"),
        (
            {"USE_PROMETHEUS": "true", "PROMETHEUS_ADDR": ":9"},
            "limits.prometheus.address",
            "0.0.0.0:9",
        ),
        (
            {"USE_PROMETHEUS": "true", "PROMETHEUS_PATH": "/rl"},
            "limits.prometheus.path",
            "/rl",
        ),
        (
            {"USE_PROMETHEUS": "1", "USE_STATSD": "1", "NEAR_LIMIT_RATIO": "0.5"},
            "limits.prometheus.near_limit_ratio",
            0.5,
        ),
        ({"USE_PROMETHEUS": "true", "DISABLE_STATS": "true"}, "limits.prometheus", None),
        ({"PROMETHEUS_ADDR": ":9"}, "limits.prometheus", None),
        ({"PORT": "9"}, "listen.http", "0.0.0.0:9"),
        ({"HOST": "::1"}, "listen.http", "[::1]:8080"),
        ({"GATEWRIGHT_LISTEN__HTTP": "off", "PORT": "9"}, "listen.http", "off"),
        ({"DEBUG_PORT": "9"}, "listen.admin", "127.0.0.1:9"),
        ({"DEBUG_HOST": "0.0.0.0"}, "listen.admin", "0.0.0.0:6070"),
        ({"GRPC_MAX_CONNECTION_AGE": "1h30m"}, "connections.max_age", 5400.0),
        ({"GRPC_MAX_CONNECTION_AGE_GRACE": "1500ms"}, "connections.max_age_grace", 1.5),
        ({"GRPC_MAX_CONCURRENT_STREAMS": "16"}, "http2.max_streams", 16),
        ({"GRPC_MAX_CONCURRENT_STREAMS": "0"}, "http2.max_streams", 1024),
        ({"MAX_CONCURRENT_REQUESTS": "32"}, "connections.max_calls", 32),
        ({"REQUEST_TIMEOUT": "250ms"}, "limits.redis_wait", 0.25),
        ({"REQUEST_TIMEOUT": "30s"}, "limits.redis_wait", 1.0),
        (
            {"REDIS_HEALTH_CHECK_ACTIVE_CONNECTION": "true", "REDIS_URL": "/run/redis.sock"},
            "limits.needs_redis",
            True,
        ),
        ({"SHADOW_MODE": "true"}, "limits.shadow", True),
        ({"QUOTA_MODE": "1"}, "limits.quota", True),
        ({"RESPONSE_DYNAMIC_METADATA": "true"}, "answers.rule_metadata", True),
        ({"LIMIT_REQUEST_HEADERS_ENABLED": "true"}, "answers.upstream", True),
        (
            {"LIMIT_REQUEST_HEADERS_ENABLED": "true", "LIMIT_REQUEST_RESET_HEADER": "x-reset"},
            "answers.upstream_names.reset",
            "x-reset",
        ),
        ({"LOG_LEVEL": "WARN"}, "telemetry.level", "warning"),
        ({"LOG_LEVEL": "trace"}, "telemetry.level", "debug"),
        ({"LOG_FORMAT": "text"}, "telemetry.log", "text"),
        ({"LOG_FORMAT": "JSON"}, "telemetry.log", "json"),
        (
            {"REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": "redis:6379"},
            "redis",
            "redis://redis:6379",
        ),
        ({"REDIS_URL": "/run/redis.sock"}, "redis", "unix:///run/redis.sock"),
        (
            {"REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": ":6379", "REDIS_AUTH": "p@ss/"},
            "redis",
            "redis://:p%40ss%2F@localhost:6379",
        ),
        (
            {"REDIS_URL": "/run/redis.sock", "REDIS_AUTH": "er:a:b"},
            "redis",
            "unix://er:a%3Ab@/run/redis.sock",
        ),
        (
            {
                "REDIS_TYPE": "SENTINEL",
                "REDIS_URL": "mymaster,a:26379,b:26379",
                "REDIS_AUTH": "secret",
                "REDIS_SENTINEL_AUTH": "watch:p@ss",
            },
            "redis",
            "redis+sentinel://:secret@a:26379,b:26379/mymaster"
            "?sentinel_username=watch&sentinel_password=p%40ss",
        ),
        (
            {"REDIS_TYPE": "cluster", "REDIS_URL": "a:6379,b:6379", "REDIS_TLS": "true"},
            "redis",
            "rediss+cluster://a:6379,b:6379",
        ),
        (
            {"REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": "redis:6379", "REDIS_TLS": "true"},
            "redis",
            "rediss://redis:6379",
        ),
        (
            {
                "REDIS_SOCKET_TYPE": "tcp",
                "REDIS_URL": "redis:6379",
                "REDIS_TLS": "1",
                "REDIS_TLS_CACERT": "/ca.crt",
                "REDIS_TLS_CLIENT_CERT": "/a.crt",
                "REDIS_TLS_CLIENT_KEY": "/a.key",
                "REDIS_TLS_SKIP_HOSTNAME_VERIFICATION": "true",
            },
            "redis",
            "rediss://redis:6379?ssl_certfile=%2Fa.crt&ssl_keyfile=%2Fa.key"
            "&ssl_ca_certs=%2Fca.crt&ssl_check_hostname=false",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_variable_is_a_setting(environ: dict[str, str], path: str, value: object) -> None:
    found: object = loaded(**environ)
    for step in path.split("."):
        found = getattr(found, step)

    assert found == value


def test_statistics_are_sent_where_statsd_is() -> None:
    assert loaded().telemetry.statsd is None
    assert loaded(STATSD_HOST="a", USE_STATSD="false").telemetry.statsd is None
    assert loaded(USE_STATSD="true", DISABLE_STATS="true").telemetry.statsd is None

    plain = loaded(USE_STATSD="true").telemetry.statsd
    assert plain is not None
    assert (plain.host_and_port, plain.style) == (("localhost", 8125), "statsd")
    dog = loaded(
        USE_DOG_STATSD="true",
        STATSD_HOST="10.0.0.1",
        STATSD_PORT="9125",
        EXTRA_TAGS="env:prod,app:shop",
        STATS_FLUSH_INTERVAL="1s",
        NEAR_LIMIT_RATIO="0.5",
    ).telemetry.statsd
    assert dog is not None
    assert (dog.host_and_port, dog.style) == (("10.0.0.1", 9125), "dogstatsd")
    assert dog.tag_values == {"app": "shop", "env": "prod"}
    assert (dog.every, dog.near_limit_ratio) == (1.0, 0.5)
    assert set(problems(USE_STATSD="1", USE_DOG_STATSD="1")) == {"USE_DOG_STATSD"}


def test_headers_of_answers() -> None:
    names = {"LIMIT_LIMIT_HEADER": "X-Limit", "LIMIT_RESET_HEADER": "X-Reset"}
    assert loaded(**names).answers == loaded().answers

    found = loaded(LIMIT_RESPONSE_HEADERS_ENABLED="true", **names).answers

    assert found.headers == "draft-03"
    assert (found.names.limit, found.names.remaining) == ("X-Limit", "RateLimit-Remaining")
    assert found.names.reset == "X-Reset"


SERVER = {"CONFIG_TYPE": "GRPC_XDS_SOTW"}
ENVOY_GATEWAY = {
    "RUNTIME_ROOT": "/data",
    "RUNTIME_SUBDIRECTORY": "ratelimit",
    "RUNTIME_IGNOREDOTFILES": "true",
    "RUNTIME_WATCH_ROOT": "false",
    "LOG_LEVEL": "info",
    "USE_STATSD": "false",
    "CONFIG_TYPE": "GRPC_XDS_SOTW",
    "CONFIG_GRPC_XDS_SERVER_URL": "envoy-gateway:18001",
    "CONFIG_GRPC_XDS_NODE_ID": "envoy-ratelimit",
    "GRPC_SERVER_USE_TLS": "true",
    "GRPC_SERVER_TLS_CERT": "/certs/tls.crt",
    "GRPC_SERVER_TLS_KEY": "/certs/tls.key",
    "GRPC_SERVER_TLS_CA_CERT": "/certs/ca.crt",
    "CONFIG_GRPC_XDS_SERVER_USE_TLS": "true",
    "CONFIG_GRPC_XDS_CLIENT_TLS_CERT": "/certs/tls.crt",
    "CONFIG_GRPC_XDS_CLIENT_TLS_KEY": "/certs/tls.key",
    "CONFIG_GRPC_XDS_SERVER_TLS_CACERT": "/certs/ca.crt",
    "FORCE_START_WITHOUT_INITIAL_CONFIG": "true",
    "REDIS_SOCKET_TYPE": "tcp",
    "REDIS_URL": "redis.redis-system.svc:6379",
    "REDIS_TLS": "true",
    "REDIS_TLS_CLIENT_CERT": "/redis-certs/tls.crt",
    "REDIS_TLS_CLIENT_KEY": "/redis-certs/tls.key",
    "USE_PROMETHEUS": "true",
    "PROMETHEUS_ADDR": ":19001",
    "PROMETHEUS_MAPPER_YAML": "/etc/statsd-exporter/conf.yaml",
}
"""All that its internal/infrastructure/kubernetes/ratelimit/resource.go sets, but for traces."""


def test_the_environment_that_envoy_gateway_gives_its_containers_is_taken_whole() -> None:
    found = loaded(**ENVOY_GATEWAY)
    assert found.limits.prometheus is not None
    assert found.limits.prometheus.address == "0.0.0.0:19001"
    assert found.xds is not None
    assert found.xds.server == "envoy-gateway:18001"
    warnings = environment(**ENVOY_GATEWAY).warnings
    assert [each.file for each in warnings] == ["RUNTIME_WATCH_ROOT", "PROMETHEUS_MAPPER_YAML"]


def test_a_management_server_is_the_setting_xds() -> None:
    xds = loaded(**SERVER).xds
    assert xds is not None
    assert (xds.server, xds.node_id, xds.tls) == ("localhost:18000", "default", None)

    found = loaded(
        **SERVER,
        CONFIG_GRPC_XDS_SERVER_URL="eg:18001",
        CONFIG_GRPC_XDS_NODE_ID="edge",
        CONFIG_GRPC_XDS_NODE_METADATA="zone=a,role=b=c",
        CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS="Authorization:Bearer x:y,tenant: t",
        CONFIG_GRPC_XDS_SERVER_USE_TLS="true",
        CONFIG_GRPC_XDS_CLIENT_TLS_CERT="c",
        CONFIG_GRPC_XDS_CLIENT_TLS_KEY="k",
        CONFIG_GRPC_XDS_SERVER_TLS_CACERT="ca",
        CONFIG_GRPC_XDS_SERVER_TLS_SAN="envoy-gateway",
        XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES="10000",
    ).xds

    assert found is not None
    assert (found.server, found.node_id, found.max_message) == ("eg:18001", "edge", 10_000)
    assert found.metadata_values == {"zone": "a", "role": "b=c"}
    assert found.header_values == (("authorization", "Bearer x:y"), ("tenant", "t"))
    assert "Bearer" not in repr(found)
    assert found.tls is not None
    assert found.tls.model_dump() == {
        "ca": "ca", "cert": "c", "key": "k", "server_name": "envoy-gateway"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, (1.0, 30.0, 0.5)),
        ({"CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL": "3s"}, (3.0, 60.0, 0.5)),
        ({"XDS_CLIENT_BACKOFF_INITIAL_INTERVAL": "45s"}, (45.0, 60.0, 0.5)),
        ({"XDS_CLIENT_BACKOFF_MAX_INTERVAL": "5s"}, (1.0, 5.0, 0.5)),
        ({"XDS_CLIENT_BACKOFF_RANDOM_FACTOR": "0.1"}, (1.0, 30.0, 0.1)),
        (
            {"XDS_CLIENT_BACKOFF_RANDOM_FACTOR": "0.1", "XDS_CLIENT_BACKOFF_JITTER": "false"},
            (1.0, 30.0, 0.0),
        ),
    ],
    ids=str,
)
def test_the_pace_at_which_a_management_server_is_tried_again(
    environ: dict[str, str], expected: tuple[float, float, float]
) -> None:
    xds = loaded(**SERVER, **environ).xds

    assert xds is not None
    assert (xds.backoff_initial, xds.backoff_max, xds.backoff_jitter) == expected


def test_tls_towards_a_management_server_needs_no_file() -> None:
    xds = loaded(
        **SERVER, CONFIG_GRPC_XDS_SERVER_USE_TLS="1", CONFIG_GRPC_XDS_SERVER_URL="eg:1"
    ).xds

    assert xds is not None
    assert xds.tls is not None
    assert (xds.tls.ca, xds.tls.server_name) == (None, "eg")


def test_what_is_said_of_a_management_server_is_looked_at_only_with_it() -> None:
    assert loaded(CONFIG_GRPC_XDS_SERVER_URL="eg:1", CONFIG_TYPE="file").xds is None
    assert set(problems(CONFIG_TYPE="ETCD")) == {"CONFIG_TYPE"}


def test_a_management_server_beside_a_folder_is_refused() -> None:
    assert isinstance(read_er("/limits", SERVER, {}), Rejected)
    found = read_er(FROM_ENVIRONMENT, SERVER, {})
    assert isinstance(found, ErRatelimit)
    assert found.folder is None


@pytest.mark.parametrize("header", ["a", "grpc-x:1", "x-bin:1", "x y:1", "x:\u00e4"])
def test_a_header_that_grpc_does_not_send_is_refused(header: str) -> None:
    replaced = read_er(FROM_ENVIRONMENT, SERVER, {})
    assert isinstance(replaced, ErRatelimit)
    environ = {"GATEWRIGHT_XDS__HEADERS": header}

    found = replaced.settings(settings.load(None, replaced.environ(environ), {}))

    assert isinstance(found, Rejected)
    assert ":1" not in str(found)


def test_a_redis_for_limits_per_second_has_all_that_the_other_has() -> None:
    found = loaded(
        REDIS_URL="/run/redis.sock",
        REDIS_TLS_CACERT="/ca",
        REDIS_PERSECOND="true",
        REDIS_PERSECOND_URL="mymaster,a:1,b:2",
        REDIS_PERSECOND_TYPE="SENTINEL",
        REDIS_PERSECOND_AUTH_FILE="/auth",
        REDIS_PERSECOND_TLS="true",
        REDIS_PERSECOND_SENTINEL_AUTH="pw",
    )
    assert found.redis == "unix:///run/redis.sock"
    assert found.redis_per_second == (
        "rediss+sentinel://a:1,b:2/mymaster?ssl_ca_certs=%2Fca&auth_file=%2Fauth"
        "&sentinel_password=pw"
    )
    assert loaded(REDIS_URL="/s", REDIS_PERSECOND_URL="/t").redis_per_second is None


def test_what_is_wrong_with_the_second_redis_is_told_of_its_variable() -> None:
    assert set(problems(REDIS_URL="/s", REDIS_PERSECOND="1")) == {"REDIS_PERSECOND_URL"}
    wrong = {"REDIS_PERSECOND": "1", "REDIS_PERSECOND_URL": "a", "REDIS_PERSECOND_TYPE": "RING"}
    assert set(problems(**wrong)) == {"REDIS_PERSECOND_TYPE"}


def test_a_password_is_in_a_file_or_in_the_environment() -> None:
    environ = {"REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": "a:1", "REDIS_AUTH_FILE": "/run/auth"}
    assert loaded(**environ).redis == "redis://a:1?auth_file=%2Frun%2Fauth"
    assert set(problems(**environ, REDIS_AUTH="secret")) == {"REDIS_AUTH_FILE"}


def test_tls_of_the_grpc_port() -> None:
    files = {"GRPC_SERVER_TLS_CERT": "s.crt", "GRPC_SERVER_TLS_KEY": "s.key"}
    clients = {"GRPC_CLIENT_TLS_CACERT": "ca.crt", "GRPC_CLIENT_TLS_SAN": "edge.example"}

    found = loaded(GRPC_SERVER_USE_TLS="true", **files, **clients).tls

    assert found is not None
    assert (found.cert, found.key, found.client_ca) == ("s.crt", "s.key", "ca.crt")
    assert found.client_san == ("edge.example",)
    assert loaded(**files, **clients).tls is None
    assert set(problems(GRPC_SERVER_USE_TLS="true")) == set(files)


def test_our_own_variables_and_flags_win() -> None:
    environ = {"GRPC_PORT": "9", "GATEWRIGHT_LISTEN__GRPC": "127.0.0.1:7"}

    assert loaded(**environ).listen.grpc == "127.0.0.1:7"


def test_what_a_setting_refuses_is_told_of_the_variable_that_was_written() -> None:
    replaced = read_er("/limits", {"GRPC_MAX_CONNECTION_AGE": "10ms"}, {})
    assert isinstance(replaced, ErRatelimit)

    found = replaced.settings(settings.load(None, replaced.environ({}), {}))

    assert isinstance(found, Rejected)
    assert [each.file for each in found.problems] == ["GRPC_MAX_CONNECTION_AGE"]


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda each: each.name)
def test_no_variable_is_ignored(variable: Variable) -> None:
    """What is set is used, refused, warned about, or belongs to another that is off."""
    samples = {"text": "x", "bool": "true", "int": "7", "number": "0.5", "duration": "1m"}
    text = samples[variable.kind]
    if True in variable.same:
        text = "false"

    found = read({variable.name: text})

    if variable.use == "refused":
        assert isinstance(found, Rejected)
        assert [each.file for each in found.problems] == [variable.name]
        assert variable.what in found.problems[0].message
    elif variable.use == "idle":
        assert isinstance(found, ErEnvironment)
        assert [each.file for each in found.warnings] == [variable.name]
        assert found.variables == {}
    elif variable.use == "beside":
        assert isinstance(found, ErEnvironment)
        switch = next(each for each in VARIABLES if each.name == variable.what)
        assert switch.use == "refused"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GRPC_PORT", "tcp://10.0.0.1:8081"),
        ("GRPC_SERVER_USE_TLS", "yes"),
        ("GRPC_MAX_CONNECTION_AGE", "24"),
        ("GRPC_MAX_CONNECTION_AGE", "-1h"),
        ("NEAR_LIMIT_RATIO", "most"),
        ("LOG_LEVEL", "loud"),
        ("REDIS_SOCKET_TYPE", "udp"),
    ],
)
def test_what_envoyproxy_ratelimit_cannot_read_is_refused(name: str, text: str) -> None:
    found = problems(**{"REDIS_URL": "h:1", "REDIS_SOCKET_TYPE": "tcp", name: text})

    assert set(found) == {name}
    assert text not in found[name].split("expected", 1)[1].split()


@pytest.mark.parametrize(
    "environ",
    [
        {"REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": "a:1,b:2", "REDIS_AUTH": "s3cret"},
        {"REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": "redis://:s3cret@a:1"},
        {"REDIS_AUTH": "s3cret"},
        {"REDIS_TYPE": "SENTINEL", "REDIS_URL": "a:26379", "REDIS_SENTINEL_AUTH": "s3cret"},
        {"REDIS_TYPE": "CLUSTER", "REDIS_URL": ":6379", "REDIS_AUTH": "s3cret"},
        {"REDIS_TYPE": "RING", "REDIS_URL": "a:6379", "REDIS_AUTH": "s3cret"},
        {"REDIS_URL": "/sock", "REDIS_TLS": "true", "REDIS_AUTH": "s3cret"},
    ],
)
def test_no_problem_shows_a_password(environ: dict[str, str]) -> None:
    found = problems(**environ)

    assert found
    assert "s3cret" not in str(found)


@pytest.mark.parametrize("prefix", ["REDIS_", "REDIS_PERSECOND_"])
def test_an_address_is_not_taken_for_a_socket_s_path(prefix: str) -> None:
    environ = {"REDIS_URL": "/sock", "REDIS_PERSECOND": "true", "REDIS_PERSECOND_URL": "/sock"}
    found = problems(**{**environ, f"{prefix}URL": "redis:6379"})

    assert found.keys() == {f"{prefix}URL"}
    assert f"{prefix}SOCKET_TYPE tcp" in found[f"{prefix}URL"]


def test_values_that_ask_for_what_is_so_are_silent() -> None:
    environ = {"USE_STATSD": "false", "BACKEND_TYPE": "redis", "REDIS_PERSECOND": "f"}
    found = environment(**environ, CONFIG_TYPE="FILE", SHADOW_MODE="0")

    assert found.variables == {}
    assert found.warnings == ()


def test_an_empty_variable_is_not_set() -> None:
    assert environment(GRPC_PORT="", USE_STATSD="", CACHE_KEY_PREFIX="").variables == {}


def test_the_folder_is_that_of_the_runtime() -> None:
    assert environment().folder == "/srv/runtime_data/current/config"
    assert environment(RUNTIME_ROOT="/data/", RUNTIME_SUBDIRECTORY="rl").folder == "/data/rl/config"
    assert environment(RUNTIME_ROOT="/d", RUNTIME_APPDIRECTORY="x").folder == "/d/x"


def test_a_folder_beside_another_of_the_environment_is_refused() -> None:
    environ = {"RUNTIME_ROOT": "/data"}

    assert isinstance(read_er("/other", environ, {}), Rejected)
    for same in ("/data/config", "/data/config/", FROM_ENVIRONMENT):
        found = read_er(same, environ, {})
        assert isinstance(found, ErRatelimit)
        assert Path(found.folder) == Path("/data/config")


def test_a_bundle_beside_it_is_refused() -> None:
    assert isinstance(read_er("/limits", {}, {"bundle": "b"}), Rejected)


def test_counters_in_memory_are_warned_about() -> None:
    replaced = flag.read_er("/limits", {}, {})
    assert isinstance(replaced, ErRatelimit)

    assert [each.file for each in replaced.warnings(loaded())] == ["REDIS_URL"]
    assert replaced.warnings(loaded(REDIS_URL="/sock")) == ()


def test_a_port_without_the_client_certificates_of_the_other_is_warned_about() -> None:
    tls = {
        "REDIS_URL": "/sock",
        "GRPC_SERVER_USE_TLS": "true",
        "GRPC_SERVER_TLS_CERT": "/cert.pem",
        "GRPC_SERVER_TLS_KEY": "/key.pem",
        "GRPC_CLIENT_TLS_CACERT": "/ca.pem",
    }
    replaced = flag.read_er("/limits", {}, {})
    assert isinstance(replaced, ErRatelimit)

    assert [each.file for each in replaced.warnings(loaded(**tls))] == ["PORT"]
    assert replaced.warnings(loaded(**tls, GATEWRIGHT_LISTEN__HTTP="off")) == ()


def test_every_file_is_one_of_limits_whatever_its_name() -> None:
    found = as_bundle(Bundle({"a.yaml": FILE, "b.yml": FILE, "edge": FILE, "sub/c.txt": FILE}))

    assert isinstance(found, Bundle)
    assert sorted(found.files) == [
        "ratelimit/a.yaml",
        "ratelimit/b.yml",
        "ratelimit/edge.yaml",
        "ratelimit/sub/c.txt.yaml",
    ]


def test_two_files_that_would_have_one_name_are_refused() -> None:
    assert isinstance(as_bundle(Bundle({"edge": FILE, "edge.yaml": FILE})), Rejected)


def test_the_prefix_of_its_counters_ends_with_its_names() -> None:
    environ = {"CACHE_KEY_PREFIX": "edge:", "GATEWRIGHT_LIMITS__COMPAT": ""}
    replaced = read_er("/limits", environ, {})
    assert isinstance(replaced, ErRatelimit)
    found = replaced.settings(settings.load(None, replaced.environ(environ), {}))
    assert isinstance(found, Rejected)
    assert "expected compat: er beside key_prefix" in str(found.problems[0])
