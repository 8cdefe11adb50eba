"""`gatewright serve` with the limits of a management server, beside those of its bundle."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from callout.config.problems import Rejected
from callout.config.settings import load
from callout.testing.requests import rate_limit_request
from ratelimit.xds.config_proto import TYPE_URL, RateLimitConfig
from ratelimit.xds.files import Resource
from tests.end_to_end import conftest
from tests.end_to_end.serve import Serve, run, write_bundle
from tests.ratelimit.xds.ads_server import AdsServer
from tests.ratelimit.xds.test_client import World

# Each starts processes and waits for bundles: a minute, on a machine that others keep busy.
pytestmark = pytest.mark.timeout(300)
OK, OVER = 1, 2
LOCAL = "domain: local\ndescriptors:\n- {key: k, rate_limit: {unit: year, requests_per_unit: 0}}\n"


def until(condition: Callable[[], object]) -> None:
    """Generous: a bundle is loaded, by processes that others keep waiting."""
    conftest.until(condition, 60.0)


def domain(name: str, requests: int, unit: str = "YEAR") -> Resource:
    limit = {"unit": unit, "requests_per_unit": requests}
    config = RateLimitConfig(
        name=name, domain=name, descriptors=[{"key": "k", "rate_limit": limit}]
    )
    return Resource(TYPE_URL, config.SerializeToString())


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(
    ending: ExitStack, folder: Path, ads: AdsServer, wait: bool = True, **environ: str
) -> Serve:
    bundle = write_bundle(folder / "bundle", {"ratelimit/local.yaml": LOCAL})
    flags = {
        "GATEWRIGHT_FACES": "limit",
        "GATEWRIGHT_XDS__SERVER": ads.address,
        "GATEWRIGHT_XDS__BACKOFF_INITIAL": "0.1",
        "GATEWRIGHT_XDS__BACKOFF_MAX": "0.5",
        "GATEWRIGHT_OVERLOAD__TARGET": "0",
        **environ,
    }
    return ending.enter_context(closing(Serve(folder, bundle, environ=flags, wait=wait)))


def answer(serve: Serve, name: str) -> int:
    with serve.client() as client:
        code: int = client.should_rate_limit(rate_limit_request(name, {"k": "v"})).overall_code
    return code


def test_limits_of_a_server_over_mutual_tls(ending: ExitStack, tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    world = World(tmp_path / "tls")
    ads = world.ads
    ending.callback(ads.stop)
    files = {"CA": world.tls.ca, "CERT": world.tls.cert, "KEY": world.tls.key}
    environ = {f"GATEWRIGHT_XDS__TLS__{name}": str(path) for name, path in files.items()}
    serve = start(ending, tmp_path, ads, wait=False, GATEWRIGHT_XDS__NODE_ID="node-1", **environ)

    # Before the first response nothing is decided: a domain that nobody knows would be allowed.
    until(lambda: bool(ads.heard))
    status, text = serve.admin("/readyz")
    assert (status, "rate limits (xds)" in text) == (503, True)
    assert ads.heard[0].node == "node-1"

    ads.put(domain("one", 0), domain("two", 1))
    until(ads.acked)
    until(lambda: serve.admin("/readyz")[0] == 200)
    assert answer(serve, "one") == OVER
    assert [answer(serve, "two"), answer(serve, "two")] == [OK, OVER]
    assert answer(serve, "local") == OVER

    ads.put(domain("one", 1000), domain("two", 1))
    until(ads.acked)
    until(lambda: answer(serve, "one") == OK)

    ads.put(domain("one", 0, unit="UNKNOWN"), domain("two", 1000))
    until(ads.nacks)
    assert "one.yaml" in ads.nacks()[0]
    assert "UNKNOWN" in ads.nacks()[0]
    assert (answer(serve, "one"), answer(serve, "two")) == (OK, OVER)
    assert serve.metric("gatewright_xds_responses_total", result="accepted") == 2
    assert serve.metric("gatewright_xds_responses_total", result="refused") >= 1

    ads.put(domain("local", 1000))
    until(lambda: any("duplicate domain" in each for each in ads.nacks()))
    assert answer(serve, "local") == OVER

    ads.put()
    until(ads.acked)
    until(lambda: answer(serve, "two") == OK)
    assert answer(serve, "local") == OVER
    assert serve.metric("gatewright_xds_connected") == 1

    ads.put(domain("one", 0))
    ads.restart()
    until(lambda: answer(serve, "one") == OVER)
    assert serve.metric("gatewright_xds_streams_ended_total") >= 1

    serve.restart()
    assert answer(serve, "one") == OVER
    assert serve.metric("gatewright_xds_connected") == 1


def test_a_mistake_in_the_bundle_holds_up_no_limit_of_the_server(
    ending: ExitStack, tmp_path: Path
) -> None:
    ads = AdsServer().start()
    ending.callback(ads.stop)
    ads.put(domain("one", 1000))
    serve = start(ending, tmp_path, ads)
    assert answer(serve, "one") == OK
    folder = tmp_path / "bundle"

    write_bundle(folder, {"bad.yaml": "kind: Nonsense\n"})
    until(lambda: bool(serve.config()["problems"]))
    ads.put(domain("one", 0))
    until(ads.acked)
    until(lambda: answer(serve, "one") == OVER)
    assert "bad.yaml" in str(serve.config()["problems"])

    (folder / "bad.yaml").unlink()
    write_bundle(folder, {"ratelimit/local.yaml": LOCAL.replace("per_unit: 0", "per_unit: 1000")})
    until(lambda: answer(serve, "local") == OK)
    assert serve.config()["problems"] == []
    assert answer(serve, "one") == OVER


def test_a_server_that_is_away_is_waited_for_as_long_as_was_written(
    ending: ExitStack, tmp_path: Path
) -> None:
    ads = AdsServer()
    ending.callback(ads.stop)
    serve = start(ending, tmp_path, ads, GATEWRIGHT_XDS__INITIAL_FETCH_TIMEOUT="0.5")
    assert answer(serve, "local") == OVER
    assert answer(serve, "one") == OK
    ads.put(domain("one", 0))
    ads.start()
    until(lambda: answer(serve, "one") == OVER)


def test_settings_that_do_not_fit_are_refused() -> None:
    found = load(b"xds: {server: 'a:1'}\nfaces: [authz]\n", {}, {})
    assert "expected the face `limit` beside it" in str(found)
    found = load(b"xds: {server: 'a:1', tls: {cert: c}}\n", {}, {})
    assert "expected both cert and key" in str(found)
    assert isinstance(load(b"xds: {server: nowhere}\n", {}, {}), Rejected)
    assert isinstance(load(b"xds: {server: 'a:1', backoff_initial: 60}\n", {}, {}), Rejected)


def test_xds_has_no_place_beside_bundles_of_an_opa_configuration(tmp_path: Path) -> None:
    (tmp_path / "opa.yaml").write_text("plugins: {envoy_ext_authz_grpc: {path: a/b}}\n")
    ended = run(
        "serve",
        "--opa-envoy-config",
        str(tmp_path / "opa.yaml"),
        environ={"GATEWRIGHT_XDS__SERVER": "127.0.0.1:1"},
    )
    assert ended.returncode == 1
    assert "xds: adds to a bundle of ours" in ended.stderr
