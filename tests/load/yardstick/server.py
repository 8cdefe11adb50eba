"""The stock gRPC server that Gatewright is measured against. See README.md: leave it alone."""

import argparse
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc
from envoy.type.v3 import http_status_pb2
from google.rpc import status_pb2

REQUESTS_PER_HOUR = 4_000_000_000
BANNED = 0
WINDOW = 3600
OK = rls_pb2.RateLimitResponse.OK
OVER_LIMIT = rls_pb2.RateLimitResponse.OVER_LIMIT


class Authorization(external_auth_pb2_grpc.AuthorizationServicer):
    """Role-based access: the user's roles, each role's methods on resources."""

    def __init__(self, data: dict) -> None:
        self.roles = data["roles"]
        self.permissions = data["permissions"]

    def allowed(self, http) -> bool:
        user = http.headers.get("x-user", "")
        resource = http.path.split("?", 1)[0].lstrip("/").split("/")[0]
        for role in self.roles.get(user, ()):
            for permission in self.permissions.get(role, ()):
                if permission["method"] == http.method and permission["resource"] == resource:
                    return True
        return False

    def Check(self, request, context):
        if self.allowed(request.attributes.request.http):
            return external_auth_pb2.CheckResponse(
                status=status_pb2.Status(code=grpc.StatusCode.OK.value[0]),
                ok_response=external_auth_pb2.OkHttpResponse(),
            )
        return external_auth_pb2.CheckResponse(
            status=status_pb2.Status(code=grpc.StatusCode.PERMISSION_DENIED.value[0]),
            denied_response=external_auth_pb2.DeniedHttpResponse(
                status=http_status_pb2.HttpStatus(code=403), body="denied"
            ),
        )


class RateLimit(rls_pb2_grpc.RateLimitServiceServicer):
    """Fixed windows of an hour: one limit for every descriptor, except that `banned` has none."""

    def __init__(self) -> None:
        self.counters: dict[tuple, int] = {}
        self.lock = threading.Lock()

    def ShouldRateLimit(self, request, context):
        window = int(time.time()) // WINDOW
        addend = request.hits_addend or 1
        response = rls_pb2.RateLimitResponse(overall_code=OK)
        for descriptor in request.descriptors:
            key = (window, *[(entry.key, entry.value) for entry in descriptor.entries])
            limit = BANNED if ("remote_address", "banned") in key else REQUESTS_PER_HOUR
            with self.lock:
                count = self.counters[key] = self.counters.get(key, 0) + addend
            if count > limit:
                response.overall_code = OVER_LIMIT
                response.statuses.add(code=OVER_LIMIT)
            else:
                response.statuses.add(code=OK, limit_remaining=limit - count)
        return response


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--grpc", required=True, help="host:port to listen on")
    parser.add_argument("--data", required=True, type=Path, help="roles and permissions, JSON")
    options = parser.parse_args()
    server = grpc.server(ThreadPoolExecutor(4))
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(
        Authorization(json.loads(options.data.read_bytes())), server
    )
    rls_pb2_grpc.add_RateLimitServiceServicer_to_server(RateLimit(), server)
    server.add_insecure_port(options.grpc)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
