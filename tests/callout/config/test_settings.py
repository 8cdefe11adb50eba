from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.config.peers import Connections, Http2
from callout.config.problems import Rejected
from callout.config.settings import FLAGS, Settings, load
from callout.http2.limits import _RANGES, Limits
from callout.serve.options import ServeOptions
from tests.callout.config.writing import lines


def loaded(
    file: str | None = None,
    environ: dict[str, str] | None = None,
    flags: dict[str, Any] | None = None,
) -> Settings:
    found = load(None if file is None else file.encode(), environ or {}, flags or {})
    assert isinstance(found, Settings), lines(found)
    return found


WHOLE = """
bundle: ./shop
listen: {grpc: "unix:/run/gatewright.sock", admin: "[::1]:9001"}
faces: [limit, authz]
workers: 4
transport: grpcio
tls: {cert: tls.crt, key: tls.key, client_ca: ca.crt, client_san: ["spiffe://mesh/gateway"]}
redis: rediss://user:pass@redis.example:6380/2
redis_per_second: redis+cluster://a,b
opa: http://127.0.0.1:8181
telemetry: {log: text, level: debug, decisions: denied}
overload: {target: 0.01, interval: 0.2, authz: allow, limit: error}
connections: {max: 9}
http2: {max_streams: 9}
reflection: true
admin: {token_file: /run/secrets/admin}
waf: {audit: {file: /var/log/audit.json, format: native}}
decision_logs: {url: "https://logs.example/logs", token_file: /run/secrets/logs}
answers: {headers: ietf}
limits: {shadow: true}
xds: {server: "xds.example:18000"}
drain: 2.5
frozen: 9
max_message: 65536
"""


def test_what_limits_are_found_by_is_no_id_of_a_request() -> None:
    for key in ("host", "path", "method", "remote_address", "id", "policy", "step"):
        found = load(f"limits: {{retries: {{by: {key}}}}}".encode(), {}, {})
        assert isinstance(found, Rejected)
        assert "expected a key that limits need not" in str(found.problems[0])
    assert loaded("limits: {retries: {by: host_id}}").limits.retries is not None


def test_a_redis_for_limits_per_second_stands_beside_another_and_may_know_retries() -> None:
    second = "redis_per_second: redis://other\n"
    both = loaded(f"{second}redis: redis://one\nlimits: {{retries: {{}}}}\n")
    assert both.limits.retries is not None
    found = load(second.encode(), {}, {})
    assert isinstance(found, Rejected)
    assert "expected `redis` beside it" in str(found.problems[0])


def test_who_waits_for_redis_has_one() -> None:
    waits = "limits: {needs_redis: true}\n"
    assert loaded(f"{waits}redis: redis://one").limits.needs_redis
    assert loaded(f"{waits}faces: [authz]").limits.needs_redis
    found = load(waits.encode(), {}, {})
    assert isinstance(found, Rejected)
    (problem,) = found.problems
    assert str(problem) == (
        "gatewright.yaml:1:23: limits.needs_redis: expected `redis` beside it: counters in memory"
        " are never away"
    )


def test_the_http_port_is_off_unless_it_is_said_and_needs_limits() -> None:
    assert loaded().listen.http_address is None
    assert loaded("listen: {http: off}").listen.http_address is None
    assert loaded("listen: {http: 127.0.0.1:8080}").listen.http_address == "127.0.0.1:8080"
    found = load(b"listen: {http: 127.0.0.1:8080}\nfaces: [authz]\n", {}, {})
    assert isinstance(found, Rejected)
    assert "expected the face `limit`" in str(found.problems[0])


def test_statistics_of_rules_need_limits_and_are_counted_once() -> None:
    wrong = {
        "limits: {prometheus: {address: a:1}}\nfaces: [authz]": "expected the face `limit`",
        "limits: {prometheus: {address: a:1}}\n"
        "telemetry: {statsd: {address: a:1, near_limit_ratio: 0.5}}": "expected 0.5, as in",
        "limits: {prometheus: {address: a:1, path: x}}": "expected",
    }
    for text, message in wrong.items():
        found = load(text.encode(), {}, {})
        assert not isinstance(found, Settings), text
        assert message in lines(found)[0]


def test_every_setting_has_a_safe_default() -> None:
    found = loaded()
    assert found == Settings()
    assert found.listen.grpc == "127.0.0.1:9000"
    assert found.faces == ("authz", "limit")
    assert found.telemetry.decisions == "off"
    assert (found.redis, found.opa, found.tls) == (None, None, None)


def test_a_file_sets_every_setting() -> None:
    found = loaded(WHOLE)
    assert found.listen.grpc == "unix:/run/gatewright.sock"
    assert found.tls is not None
    assert found.tls.client_san == ("spiffe://mesh/gateway",)
    assert (found.workers, found.drain, found.max_message) == (4, 2.5, 65536)
    assert set(found.model_dump(exclude_defaults=True)) == set(Settings.model_fields)


def test_settings_are_frozen_and_survive_being_sent_to_a_worker() -> None:
    found = loaded(WHOLE)
    with pytest.raises(pydantic.ValidationError):
        found.drain = 1  # type: ignore[misc]
    assert Settings.model_validate_json(found.model_dump_json()) == found


def test_flags_win_over_variables_and_variables_over_the_file() -> None:
    environ = {"GATEWRIGHT_LISTEN__GRPC": "127.0.0.1:2", "GATEWRIGHT_LISTEN__ADMIN": "127.0.0.1:2"}
    found = loaded(
        'listen: {grpc: "127.0.0.1:1", admin: "127.0.0.1:1"}\nbundle: one',
        environ,
        {"grpc": "127.0.0.1:3", "bundle": None},
    )
    assert (found.listen.grpc, found.listen.admin) == ("127.0.0.1:3", "127.0.0.1:2")
    assert found.bundle == "one"


def test_text_of_a_variable_is_read_as_its_setting_wants_it() -> None:
    found = loaded(
        None,
        {
            "GATEWRIGHT_FACES": "authz, limit",
            "GATEWRIGHT_WORKERS": "3",
            "GATEWRIGHT_DRAIN": "1.5",
            "GATEWRIGHT_REDIS": "redis://:a%23b@localhost",
            "GATEWRIGHT_BUNDLE": "007",
            "GATEWRIGHT_TLS__CERT": "on",
            "GATEWRIGHT_TLS__KEY": "[x",
            "GATEWRIGHT_TLS__CLIENT_CA": "c",
            "GATEWRIGHT_TLS__CLIENT_SAN": "a,b",
            "GATEWRIGHT_LISTEN__ADMIN": "[::1]:0",
            "GATEWRIGHT_TELEMETRY__LEVEL": "error",
            "GATEWRIGHT_REFLECTION": "true",
        },
    )
    assert found.faces == ("authz", "limit")
    assert (found.workers, found.drain, found.bundle) == (3, 1.5, "007")
    assert found.tls is not None
    assert (found.tls.cert, found.tls.key, found.tls.client_san) == ("on", "[x", ("a", "b"))
    assert found.listen.admin == "[::1]:0"
    assert found.reflection
    assert loaded(None, {"GATEWRIGHT_WORKERS": "auto"}).workers == "auto"
    assert loaded(None, {"GATEWRIGHT_FACES": "[limit]"}).faces == ("limit",)


def test_flags_may_have_types_of_their_own() -> None:
    found = loaded(None, None, {"workers": 2, "faces": ["authz"], "log": "text"})
    assert (found.workers, found.faces, found.telemetry.log) == (2, ("authz",), "text")
    assert all(loaded(None, None, {flag: None}) == Settings() for flag in FLAGS)


def test_an_empty_variable_takes_a_setting_back_to_its_default() -> None:
    assert loaded("redis: redis://a\nbundle: x", {"GATEWRIGHT_REDIS": ""}).redis is None


def test_the_addresses_that_kubernetes_gives_every_container_are_left_alone() -> None:
    links = {
        "GATEWRIGHT_SERVICE_HOST": "10.0.0.1",
        "GATEWRIGHT_SERVICE_PORT": "9000",
        "GATEWRIGHT_SERVICE_PORT_GRPC": "9000",
        "GATEWRIGHT_PORT": "tcp://10.0.0.1:9000",
        "GATEWRIGHT_PORT_9000_TCP": "tcp://10.0.0.1:9000",
        "GATEWRIGHT_PORT_9000_TCP_PROTO": "tcp",
        "GATEWRIGHT_PORT_9000_TCP_PORT": "9000",
        "GATEWRIGHT_PORT_9000_TCP_ADDR": "10.0.0.1",
        "GATEWRIGHT_ADMIN_PORT": "tcp://10.0.0.1:9001",
        "PATH": "/bin",
    }
    assert loaded(None, links) == Settings()


WRONG: list[tuple[str | None, dict[str, str], dict[str, Any], str]] = [
    ("x", {}, {}, "gatewright.yaml:1:1: expected a mapping of settings"),
    ("a: [", {}, {}, "gatewright.yaml:2:1: expected YAML"),
    ("a: 1\n---\nb: 1", {}, {}, "gatewright.yaml:3:1: expected one document, found another"),
    ("lisen: {}", {}, {}, "gatewright.yaml:1:1: lisen: expected one of admin, answers, bundle"),
    ("telemetry: {otlp: null, logs: x}", {}, {}, "telemetry.logs: expected one of decisions"),
    ("listen: {grpc: 9000}", {}, {}, "gatewright.yaml:1:16: listen.grpc: expected text"),
    ("listen: {grpc: '::1:80'}", {}, {}, "expected an IPv6 address in brackets"),
    ("workers: 0", {}, {}, "workers: expected a number of at least 1, found the number 0"),
    ("faces: []", {}, {}, "faces: expected a list of at least 1"),
    ("faces: [authz, authz]", {}, {}, "faces: expected each face once, found one again"),
    ("faces: [proces]", {}, {}, "faces[0]: expected 'authz', 'limit' or 'process', found the"),
    ("tls: {cert: a}", {}, {}, "gatewright.yaml:1:6: tls: expected the key `key`, found none"),
    ("tls: {cert: a, key: b, client_san: [c]}", {}, {}, "tls: expected client_ca beside"),
    ("tls: {cert: a, key: b, client: required}", {}, {}, "tls: expected client_ca beside client"),
    (
        "tls: {cert: a, key: b, min_version: 1.1}",
        {},
        {},
        "tls.min_version: expected '1.2' or '1.3'",
    ),
    (
        "tls: {cert: a, key: b, client_ca: c, client_san: ['*.mesh']}",
        {},
        {},
        "tls.client_san[0]: expected a SPIFFE id or a DNS name, found `*` in a name that is no",
    ),
    (
        "transport: grpcio\ntls: {cert: a, key: b, client_ca: c, client: optional}",
        {},
        {},
        "gatewright.yaml:2:46: tls.client: expected transport `own` beside it",
    ),
    (
        "transport: grpcio\ntls: {cert: a, key: b, min_version: 1.3}",
        {},
        {},
        "tls.min_version: expected transport `own` beside it",
    ),
    ("drain: 1e9", {}, {}, "drain: expected a number of at most 3600"),
    ("limits: {memory: 1000}", {}, {}, "limits.memory: expected a number of at least 16777216"),
    ("max_message: 1", {}, {}, "max_message: expected a number of at least 4096"),
    (None, {"GATEWRIGHT_WORKERS": "two"}, {}, "GATEWRIGHT_WORKERS: workers: expected 'auto' or"),
    (None, {"GATEWRIGHT_WORKERS": "a: [b]"}, {}, "a whole number, found the text 'a: [b]'"),
    (None, {"GATEWRIGHT_LISTN__GRPC": "x:1"}, {}, "GATEWRIGHT_LISTN__GRPC: listn: expected one"),
    (None, {"GATEWRIGHT_": "x"}, {}, "GATEWRIGHT_: expected one of"),
    (None, {"GATEWRIGHT_BUNDLE__X": "x"}, {}, "GATEWRIGHT_BUNDLE__X: bundle: expected text, fou"),
    (None, {"GATEWRIGHT_LISTEN": "x:1"}, {}, "GATEWRIGHT_LISTEN: listen: expected a mapping"),
    (None, {}, {"transport": "grpc"}, "--transport: transport: expected 'own' or 'grpcio', found"),
    (None, {}, {"grpc": "9000"}, "--grpc: listen.grpc: expected host:port or unix:/path"),
    (
        "workers: 4",
        {"GATEWRIGHT_PORT": "9000"},
        {},
        "GATEWRIGHT_PORT: port: expected one of",
    ),
    ("redis: hunter2", {}, {}, "redis: expected a URL with a host that begins with one of redis:"),
    ("redis: 'redis://:hunter2@'", {}, {}, "redis: expected a URL with a host that begins"),
    ("redis: 'redis://hunter2:x'", {}, {}, "redis: expected a URL (/?#@ of a password escaped"),
    ("redis: 'http://hunter2@h'", {}, {}, "redis: expected a URL with a host that begins"),
    ("redis: [hunter2]", {}, {}, "redis: expected text, found a list of 1"),
    ("redis: 'redis://h?hunter2=1'", {}, {}, "redis: expected a URL with options that redis-py"),
    ("opa: 'redis://hunter2@h'", {}, {}, "opa: expected a URL with a host that begins with one"),
    ("opa: 'http://h:8181/v1/hunter2'", {}, {}, "opa: expected scheme, host and port only"),
    ("opa: 'http://u:hunter2@h'", {}, {}, "opa: expected scheme, host and port only"),
]


def test_the_table_is_whole() -> None:
    assert len(WRONG) == 39


@pytest.mark.parametrize(
    ("file", "environ", "flags", "expected"), WRONG, ids=[row[3][:50] for row in WRONG]
)
def test_a_mistake_names_the_line_the_variable_or_the_flag(
    file: str | None, environ: dict[str, str], flags: dict[str, Any], expected: str
) -> None:
    (line,) = lines(load(None if file is None else file.encode(), environ, flags))
    assert expected in line
    assert "hunter2" not in line


def test_all_mistakes_are_given_at_once() -> None:
    found = load(b"workers: x\nbundel: y", {"GATEWRIGHT_OPA": "x"}, {"log": "xml"}, "my.yaml")
    assert {each.split(": ")[0] for each in lines(found)} == {
        "my.yaml:1:10",
        "my.yaml:2:1",
        "GATEWRIGHT_OPA",
        "--log",
    }


def test_passwords_are_not_in_the_representation() -> None:
    found = loaded("redis: redis://:hunter2@h")
    assert "hunter2" not in repr(found)
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("text", "processors", "expected"),
    [
        ("", 8, 8),
        ("workers: 3", 8, 3),
        ("redis: redis://h", 8, 8),
        ("redis: redis://h", 0, 1),
        ("faces: [authz]", 8, 8),
        ("workers: 1", 8, 1),
        ("redis: redis://h\nworkers: 3", 8, 3),
    ],
)
def test_workers_are_one_a_core_wherever_counters_are(
    text: str, processors: int, expected: int
) -> None:
    found = loaded(text)
    assert found.worker_count(processors) == expected
    assert found.shares_port is (expected > 1 or processors == 0)


variables = st.sampled_from(["A", "LISTEN", "LISTEN__GRPC", "_", "__", "WORKERS", "TLS"])


@given(st.dictionaries(variables, st.text(max_size=8)))
def test_no_environment_whatever_raises(environ: dict[str, str]) -> None:
    load(None, {f"GATEWRIGHT_{key}": value for key, value in environ.items()}, {})


def test_the_block_http2_is_the_limits_of_the_protocol() -> None:
    assert Http2().limits() == Limits()
    fields = Http2.model_json_schema()["properties"]
    for name, (least, most) in _RANGES.items():
        assert (fields[name]["minimum"], fields[name]["maximum"]) == (least, most), name


def test_the_block_connections_is_the_options_of_the_transport() -> None:
    ours = Connections().model_dump()
    options = ServeOptions()
    assert ours.pop("max") == options.max_connections
    assert ours == {name: getattr(options, name) for name in ours}
