"""`make bench-logs`: a whole Check with decision logs on, beside OPA over REST with its logs on.

    python -m tests.load.logs --write docs/performance.md

Both get the same requests at the same pace, decide by the same Rego, and send their events to one
service; processor time counts until the last event is there, so nobody wins by dropping. The
lanes take turns. Exit status 1: an answer is wrong, or an event is missing.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from callout.http.path import CanonicalPath, canonical
from callout.testing import tools
from callout.testing.grpc_client import Client
from callout.testing.requests import BROWSER_HEADERS, CheckRequest, check_request
from extauthz import envoy
from extauthz.check import CheckInput
from extauthz.input import InputBuilder, InputRules
from extauthz.policy.values.text import to_json
from tests.load import h2load, payloads, report, services
from tests.load.guard import WrongAnswer
from tests.load.machine import on_core
from tests.load.processes import DidNotStart, Process, free_port, running
from tests.load.services import World

BEGIN: Final = "<!-- logs: begin -->"
END: Final = "<!-- logs: end -->"
PACE: Final = 1000
"""Requests a second."""
CONNECTIONS: Final = 10
PART: Final = 1 / 3
"""Of OPA's processor time, at most."""
TAIL: Final = 1 / 2
"""Of OPA's 99th percentile, at most."""
ALL_THERE: Final = 30.0
"""Seconds after the last answer in which the last event must have come."""
OWN: Final = "gatewright"
OPA: Final = "opa run --server, REST"


@dataclass(frozen=True)
class Policy:
    """What is decided, and a request that is allowed."""

    name: str
    rego: str
    data: Mapping[str, Any]
    request: CheckRequest

    @property
    def entrypoint(self) -> str:
        return f"{self.rego.partition('package ')[2].split()[0]}/allow"

    def document(self) -> str:
        """The input that opa-envoy-plugin makes of the request."""
        check = envoy.read(self.request.SerializeToString())
        assert isinstance(check, CheckInput)
        path = canonical(check.path)
        assert isinstance(path, CanonicalPath)
        return to_json(
            {"input": InputBuilder(None, InputRules(compat=True)).build(check, path, {})}
        )


class Sample(NamedTuple):
    """One round of one lane."""

    cpu: float
    """Microseconds of processor time a request, its event included."""
    p50: float
    p99: float
    """Milliseconds."""


class Row(NamedTuple):
    """One policy: all rounds of both."""

    policy: str
    ours: list[Sample]
    theirs: list[Sample]


TOKEN: Final = """package token

default allow := false

allow if {
	[scheme, token] := split(input.attributes.request.http.headers.authorization, " ")
	scheme == "Bearer"
	issuer := "https://idp.bench.example/"
	constraints := {"cert": data.key, "alg": "ES256", "iss": issuer, "aud": "bench"}
	[valid, _, claims] := io.jwt.decode_verify(token, constraints)
	valid
	claims.org.id == "acme"
}
"""


def policies(world: World) -> list[Policy]:
    """Roles with data, a token that Rego verifies, a table of 200 routes."""
    rego = services.BUNDLE / "rego"
    headers = {**BROWSER_HEADERS, "x-user": payloads.ALLOWED_USER}
    rbac = check_request(path=payloads.PATH, headers=headers)
    bearer = {**headers, "authorization": f"Bearer {payloads.token(world.key)}"}
    public = world.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return [
        Policy(
            "roles with data",
            (rego / "rbac" / "rbac.rego").read_text(),
            json.loads((rego / "rbac.json").read_text()),
            rbac,
        ),
        Policy(
            "`io.jwt.decode_verify` (ES256)",
            TOKEN,
            {"key": public.decode()},
            check_request(path=payloads.PATH, headers=bearer),
        ),
        Policy(
            "200 routes, the last", _routes(200), {}, check_request(path="/service-199/x",
                                                                    headers=headers)
        ),
    ]  # fmt: skip


def _routes(number: int) -> str:
    rules = [
        "allow if {\n"
        f'\tstartswith(input.attributes.request.http.path, "/service-{n}/")\n'
        '\tinput.attributes.request.http.method == "GET"\n'
        '\tinput.attributes.request.http.headers["x-user"] != ""\n}\n'
        for n in range(number)
    ]
    return "package routes\n\ndefault allow := false\n\n" + "\n".join(rules)


@dataclass(frozen=True)
class LogWorld(World):
    """A world whose bundle is one policy."""

    policy: Policy | None = None

    def bundle(self) -> Path:
        """Written anew."""
        assert self.policy is not None
        folder = self.folder / "bundle"
        (folder / "rego").mkdir(parents=True, exist_ok=True)
        (folder / "rego" / "policy.rego").write_text(self.policy.rego)
        (folder / "data.json").write_text(json.dumps(self.policy.data))
        (folder / "all.yaml").write_text(
            "apiVersion: bundle/v1\nkind: Policy\nname: all\non: [{host: '*'}]\n"
            "auth: {identity: [{anonymous: {}}], decide: {rego: rego, data: data.json,"
            f" entrypoint: {self.policy.entrypoint}}}}}\n"
        )
        return folder


class Lane(NamedTuple):
    """One contender."""

    process: Process
    url: str
    headers: Mapping[str, str]
    body: Path
    http1: bool


def measure(policy: Policy, folder: Path, rounds: int, seconds: float) -> Row:
    """Both, in turn. Raises WrongAnswer, LoadFailed or DidNotStart."""
    world = LogWorld(folder, policy=policy)
    samples: dict[str, list[Sample]] = {OWN: [], OPA: []}
    with ExitStack() as stack:
        sink = stack.enter_context(_sink(world))
        lanes = {
            OWN: stack.enter_context(_own(world, policy, sink)),
            OPA: stack.enter_context(_opa(world, policy, sink)),
        }
        for lane in lanes.values():
            _paced(world, lane, sink, max(0.3, seconds / 4))  # warms up
        for _ in range(rounds):
            for name, lane in lanes.items():
                samples[name].append(_paced(world, lane, sink, seconds))
    return Row(policy.name, samples[OWN], samples[OPA])


@contextmanager
def _sink(world: World) -> Iterator[str]:
    port = free_port()
    command: list[str | Path] = [sys.executable, "-m", "tests.load.log_sink", str(port)]
    with running("sink", command, port, world.cores.load):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _own(world: LogWorld, policy: Policy, sink: str) -> Iterator[Lane]:
    message = policy.request.SerializeToString()
    body = world.folder / "check.grpc"
    body.write_bytes(payloads.framed(message))
    logs = {"URL": f"{sink}/logs", "MIN_DELAY": "1", "MAX_DELAY": "1"}
    settings = {f"GATEWRIGHT_DECISION_LOGS__{name}": value for name, value in logs.items()}
    # OPA refuses nobody either, whatever else the machine does
    settings["GATEWRIGHT_OVERLOAD__TARGET"] = "0"
    with services.gatewright(world, "own", settings=settings) as (process, address):
        _must_allow(address, message)
        url = f"http://{address}{payloads.CHECK}"
        headers = {"content-type": "application/grpc", "te": "trailers"}
        yield Lane(process, url, headers, body, http1=False)


@contextmanager
def _opa(world: LogWorld, policy: Policy, sink: str) -> Iterator[Lane]:
    body = world.folder / "input.json"
    body.write_text(policy.document())
    config = world.folder / "opa.json"
    reporting = {"min_delay_seconds": 1, "max_delay_seconds": 1}
    logs = {"service": "sink", "reporting": reporting}
    config.write_text(json.dumps({"services": {"sink": {"url": sink}}, "decision_logs": logs}))
    port = free_port()
    command: list[str | Path] = [tools.find("opa"), "run", "--server", "--log-level", "error"]
    command += ["--disable-telemetry", "--addr", f"127.0.0.1:{port}", "--config-file", config]
    command += [world.folder / "bundle" / "rego" / "policy.rego", world.folder / "bundle/data.json"]
    with running("opa", command, port, world.cores.service) as process:
        url = f"http://127.0.0.1:{port}/v1/data/{policy.entrypoint}"
        headers = {"content-type": "application/json"}
        asked = urllib.request.Request(url, body.read_bytes(), headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            if json.load(answer).get("result") is not True:
                raise WrongAnswer(f"OPA does not allow: {policy.name}")
        yield Lane(process, url, headers, body, http1=True)


def _must_allow(address: str, message: bytes) -> None:
    with closing(Client(address)) as client:
        answer = client.check(CheckRequest.FromString(message))
    if not answer.HasField("ok_response") or answer.status.code:
        raise WrongAnswer(f"we do not allow: {answer}")


def _count(sink: str) -> int:
    with urllib.request.urlopen(sink, timeout=10) as answer:
        return int(answer.read())


def _paced(world: World, lane: Lane, sink: str, seconds: float) -> Sample:
    time.sleep(1.5)  # what is still on its way, of the lane before
    before, logged = lane.process.cpu_seconds(), _count(sink)
    log = world.folder / "h2load.tsv"
    log.unlink(missing_ok=True)
    requests = int(PACE * seconds) // CONNECTIONS * CONNECTIONS
    command = [str(tools.find("h2load")), "-t", "1", "-n", str(requests), "-c", str(CONNECTIONS)]
    command += ["--rps", str(PACE // CONNECTIONS), "--log-file", str(log), "-d", str(lane.body)]
    command += ["--h1"] if lane.http1 else ["-m", "16"]
    for name, value in lane.headers.items():
        command += ["-H", f"{name}: {value}"]
    with on_core(world.cores.load):
        done = subprocess.run(
            [*command, lane.url], capture_output=True, text=True, timeout=120, check=False
        )
    if done.returncode:
        raise h2load.LoadFailed(f"h2load ended with {done.returncode}: {done.stderr[-500:]}")
    h2load.parse(done.stdout)
    end = time.monotonic() + ALL_THERE
    while (missing := logged + requests - _count(sink)) > 0:
        if time.monotonic() > end:
            raise WrongAnswer(f"{missing} of {requests} events never came from {lane.url}")
        time.sleep(0.1)
    used = lane.process.cpu_seconds() - before
    took = sorted(int(line.split("\t")[2]) / 1000 for line in log.read_text().splitlines())
    return Sample(used / requests * 1e6, took[len(took) // 2], took[len(took) * 99 // 100])


def _median(samples: Sequence[Sample], field: str) -> float:
    return float(statistics.median(getattr(each, field) for each in samples))


def markdown(rows: Sequence[Row], rounds: int, seconds: float) -> str:
    """The table, and whether the goals are reached."""
    lines = [
        f"- {PACE:,} requests a second over {CONNECTIONS} connections, {rounds} rounds of"
        f" {seconds:g} s each, in turn; medians. Versions as above.",
        "",
        "| policy | | CPU us a Check | p50 ms | p99 ms |",
        "|---|---|--:|--:|--:|",
    ]
    verdicts = []
    for row in rows:
        for name, samples in ((OWN, row.ours), (OPA, row.theirs)):
            cpu, p50, p99 = (_median(samples, field) for field in ("cpu", "p50", "p99"))
            lines.append(f"| {row.policy} | {name} | {cpu:.1f} | {p50:.2f} | {p99:.2f} |")
        for field, goal, words in (("cpu", PART, "a third"), ("p99", TAIL, "half")):
            ours, theirs = _median(row.ours, field), _median(row.theirs, field)
            mark = "reached" if ours <= goal * theirs else "missed"
            what = "processor time" if field == "cpu" else "99th percentile"
            verdicts.append(
                f"- **{mark}**: {row.policy}: {what} is 1/{theirs / ours:.1f} of OPA's,"
                f" at most {words}"
            )
    return "\n".join([*lines, "", *verdicts]) + "\n"


def run(rounds: int, seconds: float, only: Sequence[str] = ()) -> list[Row]:
    """Every policy."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="gatewright-logs-") as name:
        for number, policy in enumerate(policies(World(Path(name)))):
            if only and not any(word in policy.name for word in only):
                continue
            folder = Path(name) / str(number)
            folder.mkdir()
            rows.append(measure(policy, folder, rounds, seconds))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench-logs", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a round")
    parser.add_argument("--only", action="append", default=[], help="a word of a policy's name")
    parser.add_argument("--write", type=Path, help="a Markdown file with a place for the results")
    options = parser.parse_args(arguments)
    try:
        rows = run(options.rounds, options.seconds, options.only)
    except (WrongAnswer, DidNotStart, h2load.LoadFailed, tools.ToolMissing) as error:
        print(f"bench-logs: {error}", file=sys.stderr)
        return 1
    section = markdown(rows, options.rounds, options.seconds)
    print(section)
    if options.write:
        report.write(options.write, section, BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
