"""What is answered while a worker that is stopped holds the counters that all share."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, fcntl, os, pathlib, signal, sys
from callout.config.settings import Settings
from callout.grpc.call import Call, Status
from callout.testing.requests import rate_limit_request
from envoy.service.ratelimit.v3 import rls_pb2
from gatewright.run.faces import Faces
from gatewright.run.telemetry import Telemetry
from ratelimit.stores.shared_memory import memory
from tests.ratelimit.world import snapshot

RULES = "domain: %s\\ndescriptors: [{key: a, rate_limit: {unit: year, requests_per_unit: 9}}]"
WORDS = {"plain": "error", "open": "allow", "closed": "deny", "part": "share"}
settings = Settings.model_validate({"faces": ("limit",), "limits": {"on_error": WORDS}})
size = settings.limits.memory
shared = memory.create(size)
telemetry = Telemetry(settings.telemetry, pathlib.Path(sys.argv[1]))
files = {f"ratelimit/{name}.yaml": RULES % name for name in WORDS}
read, write = os.pipe()
child = os.fork()
if not child:
    fcntl.lockf(shared, fcntl.LOCK_EX)
    os.write(write, b"x")
    signal.pause()
os.read(read, 1)

async def main():
    decided_by = snapshot(files)
    faces = Faces(settings, lambda: decided_by, telemetry, shared)
    ((method,),) = [face.methods for face in faces.table]
    for name in WORDS:
        message = rate_limit_request(name, {"a": "b"}).SerializeToString()
        reply = method.handler(message, Call((), None, "test"))
        if isinstance(reply, Status):
            print(reply.code.name)
        else:
            print(rls_pb2.RateLimitResponse.FromString(reply).overall_code)

try:
    asyncio.run(main())
finally:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_each_domain_answers_as_it_is_told_to_and_none_by_a_part(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    assert done.stdout.split() == ["UNAVAILABLE", "1", "2", "2"], done.stderr
