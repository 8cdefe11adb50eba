"""The face `process` as it is served: alone, beside the others, and across a restart."""

from contextlib import closing
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from callout.ext_proc.envoy import SERVICE
from tests.end_to_end.serve import EVERYBODY, OPEN, Serve, policy, write_bundle

INSPECT = "inspect: {request: {waf: {rules: [starter]}}}"
PORT = {"GATEWRIGHT_LISTEN__PROCESS": "127.0.0.1:0"}


def bundle(folder: Path) -> Path:
    return write_bundle(
        folder / "bundle", {**EVERYBODY, "a.yaml": policy("a", f"{OPEN}\n{INSPECT}")}
    )


def serving(address: str, service: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(20)
        request = health_pb2.HealthCheckRequest(service=service)
        said = health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)
    return bool(said.status == health_pb2.HealthCheckResponse.SERVING)


def test_alone_it_has_the_only_address(tmp_path: Path) -> None:
    flags = ("--faces", "process", "--workers", "1")
    with closing(Serve(tmp_path, bundle(tmp_path), *flags, environ=PORT)) as serve:
        (listening,) = serve.said("listening")
        assert listening["grpc"] == ""
        for service in ("", "process", SERVICE):
            assert serving(listening["process"], service)
        assert len(serve.workers()) == 1


def test_a_policy_that_inspects_where_nobody_does_is_told(tmp_path: Path) -> None:
    with closing(Serve(tmp_path, bundle(tmp_path))) as serve:
        (said,) = serve.said("bundle")
        assert "faces: expected `process` among them" in said["problem"]


def test_a_restart_keeps_its_address(tmp_path: Path) -> None:
    flags = ("--faces", "authz,limit,process", "--workers", "1")
    with closing(Serve(tmp_path, bundle(tmp_path), *flags, environ=PORT)) as serve:
        (before,) = serve.said("listening")
        serve.restart()
        assert serving(before["process"], SERVICE)
        assert serving(before["grpc"], "authz")
        assert len(serve.workers()) == 2
