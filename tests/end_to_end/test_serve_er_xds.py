"""`gatewright serve --er-config` with a management server, as Envoy Gateway runs that service."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from tests.end_to_end.serve import Serve, run
from tests.end_to_end.test_serve_xds import OK, OVER, answer, domain, until
from tests.ratelimit.xds.ads_server import AdsServer
from tests.ratelimit.xds.test_client import World

pytestmark = pytest.mark.timeout(300)
SAN = "envoy-gateway"


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(ending: ExitStack, folder: Path, ads: AdsServer, **environ: str) -> Serve:
    variables = {
        "CONFIG_TYPE": "GRPC_XDS_SOTW",
        "CONFIG_GRPC_XDS_SERVER_URL": ads.address,
        "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL": "100ms",
        "XDS_CLIENT_BACKOFF_MAX_INTERVAL": "500ms",
        "GATEWRIGHT_OVERLOAD__TARGET": "0",
        **environ,
    }
    flags = ("--er-config", "--workers", "1")
    return ending.enter_context(closing(Serve(folder, None, *flags, environ=variables, wait=False)))


def test_it_runs_by_the_environment_that_envoy_gateway_gives(
    ending: ExitStack, tmp_path: Path
) -> None:
    (tmp_path / "tls").mkdir()
    world = World(tmp_path / "tls", x509.DNSName(SAN))
    ads = world.ads
    ending.callback(ads.stop)
    serve = start(
        ending,
        tmp_path,
        ads,
        CONFIG_GRPC_XDS_SERVER_USE_TLS="true",
        CONFIG_GRPC_XDS_SERVER_TLS_SAN=SAN,
        CONFIG_GRPC_XDS_SERVER_TLS_CACERT=str(world.tls.ca),
        CONFIG_GRPC_XDS_CLIENT_TLS_CERT=str(world.tls.cert),
        CONFIG_GRPC_XDS_CLIENT_TLS_KEY=str(world.tls.key),
        CONFIG_GRPC_XDS_NODE_ID="edge",
        CONFIG_GRPC_XDS_NODE_METADATA="zone=a",
        CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS="Tenant:sw0rdfish",
        FORCE_START_WITHOUT_INITIAL_CONFIG="true",
        RUNTIME_ROOT="/data",
        RUNTIME_SUBDIRECTORY="ratelimit",
        RUNTIME_IGNOREDOTFILES="true",
        RUNTIME_WATCH_ROOT="false",
        LOG_LEVEL="info",
        USE_STATSD="false",
    )

    # It has started, and decides nothing before the first response.
    until(lambda: bool(ads.heard))
    said = ads.heard[0]
    assert (said.node, said.metadata, said.headers["tenant"]) == (
        "edge",
        {"zone": "a"},
        "sw0rdfish",
    )
    assert "sw0rdfish" not in str(serve.config()) + serve.log
    assert serve.admin("/readyz")[0] == 503

    ads.put(domain("one", 0))
    until(ads.acked)
    until(lambda: serve.admin("/readyz")[0] == 200)
    assert answer(serve, "one") == OVER

    ads.put(domain("one", 0, unit="UNKNOWN"))
    until(ads.nacks)
    assert "invalid rate limit unit 'UNKNOWN'" in ads.nacks()[0]
    assert answer(serve, "one") == OVER

    # All domains taken back: a good configuration, by which nothing is limited.
    ads.put()
    until(ads.acked)
    until(lambda: answer(serve, "one") == OK)
    assert serve.admin("/readyz")[0] == 200

    ads.put(domain("one", 1000))
    ads.restart()
    until(ads.acked)
    serve.restart()
    assert answer(serve, "one") == OK


def said(serve: Serve) -> str:
    """By health; empty while nobody listens yet."""
    try:
        with serve.client() as client:
            return client.health("ratelimit")
    except grpc.RpcError:
        return ""


def test_without_any_domain_it_is_not_healthy_where_that_is_asked_for(
    ending: ExitStack, tmp_path: Path
) -> None:
    ads = AdsServer().start()
    ending.callback(ads.stop)
    ads.put()
    serve = start(ending, tmp_path, ads, HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED="true")

    def health(wanted: str) -> None:
        until(lambda: said(serve) == wanted)

    until(ads.acked)
    health("NOT_SERVING")
    status, text = serve.admin("/readyz")
    assert (status, "no rate limit domain yet" in text) == (503, True)

    ads.put(domain("one", 1000))
    health("SERVING")
    until(lambda: serve.admin("/readyz")[0] == 200)

    ads.put()
    health("NOT_SERVING")


def test_a_server_beside_a_folder_ends_the_start(tmp_path: Path) -> None:
    variables = {"CONFIG_TYPE": "GRPC_XDS_SOTW"}
    ended = run("serve", "--er-config", str(tmp_path), environ=variables)
    assert ended.returncode == 1
    assert ended.stderr.startswith("CONFIG_TYPE: ")

    ended = run(
        "serve", "--er-config", str(tmp_path), environ={"GATEWRIGHT_XDS__SERVER": "127.0.0.1:1"}
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("xds: adds to a bundle of ours")
