"""`gatewright serve` as an operator starts it: another process, alone, with whatever settings."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc

from callout.serve.tied import tied
from callout.testing import tools
from callout.testing.envoy import Envoy
from callout.testing.grpc_client import Client
from callout.testing.plugin import StartEnvoy
from gatewright.envoy import render
from gatewright.envoy.gateway import FailureModes, Gateway, parse_upstream
from tests.end_to_end import family
from tests.end_to_end.conftest import ROOT, Answer, children, until

START_WITHIN = 90.0
"""Seconds; the first use of Rego that brings no plan may build the compiler."""
CHECK = "/envoy.service.auth.v3.Authorization/Check"
LIMIT = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
FAIL_CLOSED = FailureModes(auth_allows=False, limits_allow=False)


class Serve:
    """One running `gatewright serve` on free ports of 127.0.0.1."""

    def __init__(
        self,
        folder: Path,
        bundle: Path | None,
        *flags: str,
        environ: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        """Starts it; with `wait`, until it decides by the bundle. None: the flags say by what.

        `folder` takes its output. Flags that repeat win over the ports that are set here. With
        counters in memory there is one worker, unless something is said of workers: what most
        tests are about is what a worker does.
        """
        self._log = folder / f"serve-{os.urandom(4).hex()}.log"
        self._family = family.word()
        command = [sys.executable, "-m", "gatewright", "serve"]
        command += ["--bundle", str(bundle)] if bundle is not None else []
        command += ["--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0", *flags]
        environ = environ or {}
        if "--redis" not in flags and not environ.keys() & {"GATEWRIGHT_REDIS", "REDIS_URL"}:
            environ = {"GATEWRIGHT_WORKERS": "1", **environ}
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                tied(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env={
                    **environment(environ),
                    "TMPDIR": str(folder),
                    family.VARIABLE: self._family,
                },
            )
        self.pid = self.process.pid
        """Of the supervising process, which `restart` replaces."""
        try:
            until(lambda: self.said("listening") or self.process.poll() is not None, START_WITHIN)
            assert self.process.poll() is None, self.log
            (listening,) = self.said("listening")
            self.grpc: str = listening["grpc"]
            self.admin_address: str = listening["admin"]
            self.http_address: str = listening.get("http", "")
            self.prometheus: str = listening.get("prometheus", "")
            if wait:
                until(lambda: self.admin("/readyz")[0] == 200, START_WITHIN)
                until(lambda: None not in self.config()["workers"].values(), START_WITHIN)
        except BaseException as error:
            error.add_note(self.log)
            self.close()
            raise

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self._log.read_text(errors="replace")

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of one kind."""
        lines = [json.loads(each) for each in self.log.splitlines() if each.startswith("{")]
        return [each for each in lines if each.get("event") == event]

    def admin(self, path: str) -> tuple[int, str]:
        """Status and body of the admin port's answer."""
        try:
            with urllib.request.urlopen(f"http://{self.admin_address}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def config(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.admin("/config")[1])
        return document

    def metrics(self) -> dict[str, float]:
        """Every series as it is written, and its value."""
        lines = self.admin("/metrics")[1].splitlines()
        pairs = (each.rpartition(" ") for each in lines if not each.startswith("#"))
        return {series: float(value) for series, _, value in pairs}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the series of this name that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            value
            for series, value in self.metrics().items()
            if series.partition("{")[0] == name and all(each in series for each in wanted)
        )

    def workers(self) -> list[int]:
        """The process ids of the workers that live."""
        return [pid for pid, command in children(self.pid) if "gatewright.worker" in command]

    def client(self, credentials: grpc.ChannelCredentials | None = None) -> Client:
        """A new connection."""
        return Client(self.grpc, credentials)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        """The exit status; fails the test when it takes longer."""
        return self.process.wait(seconds)

    def restart(self, seconds: float = START_WITHIN) -> None:
        """SIGUSR2; returns when a successor has taken over and the predecessor has ended."""
        before, leaving = len(self.said("took over")), self.pid
        self.signal(signal.SIGUSR2)
        until(lambda: len(self.said("took over")) > before, seconds)
        self.pid = self.said("took over")[-1]["pid"]
        if leaving == self.process.pid:
            assert self.wait(seconds) == 0
        until(lambda: not alive(leaving), seconds)

    def close(self) -> None:
        """Ends it, whatever it is doing; workers and successors end with it."""
        self.process.kill()
        self.process.wait()
        family.kill(self._family)


def kill(pid: int, number: signal.Signals) -> None:
    """Sends a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def alive(pid: int) -> bool:
    """Whether the process exists and has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, with the native compiler on the path if it is here, and no settings of the tester."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GATEWRIGHT_")}
    kept["PATH"] = f"{tools.BIN}:{kept['PATH']}"
    # Looked at with --er-config only, whose own port another test may have.
    kept |= {"HOST": "127.0.0.1", "PORT": "0"}
    return {**kept, **(more or {})}


def write_bundle(folder: Path, files: Mapping[str, str]) -> Path:
    """A bundle with these files; an existing one gets them added."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def policy(name: str, body: str, on: str = '{host: "*"}') -> str:
    """One Policy document; `body` has its blocks."""
    return f"apiVersion: bundle/v1\nkind: Policy\nname: {name}\non: [{on}]\n{body}\n---\n"


OPEN = "auth: {identity: [{anonymous: {}}], decide: {rego: rego, entrypoint: shop/allow}}"
"""Whoever calls, Rego decides: with `EVERYBODY` all may."""
EVERYBODY = {"rego/shop.rego": "package shop\n\nallow := true\n"}


def gateway(serve: Serve, upstream: str, failure: FailureModes = FAIL_CLOSED) -> dict[str, Any]:
    """The product's own Envoy configuration in front of `serve`."""
    return render.static(
        Gateway(
            host="127.0.0.1",
            port=0,
            callout=serve.grpc,
            upstream=parse_upstream(upstream),  # type: ignore[arg-type]  # the address is good
            failure=failure,
        )
    )


def patient(bootstrap: dict[str, Any], seconds: int = 10) -> dict[str, Any]:
    """The same, but Envoy waits so long for us.

    Where a test counts failures, those of a machine that others keep busy must not be among them.
    """

    def wait(part: Any) -> Any:
        if isinstance(part, list):
            return [wait(each) for each in part]
        if isinstance(part, dict):
            return {
                key: f"{seconds}s" if key in ("timeout", "connectTimeout") else wait(value)
                for key, value in part.items()
            }
        return part

    waiting: dict[str, Any] = wait(bootstrap)
    return waiting


class Edge:
    """A real Envoy in front of `serve`."""

    def __init__(self, envoy: StartEnvoy, bootstrap: Mapping[str, Any]) -> None:
        self.envoy: Envoy = envoy(bootstrap)

    def request(
        self,
        path: str,
        *,
        method: str = "GET",
        host: str = "shop.example",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        import http.client

        address = self.envoy.url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"host": host, **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        answer = Answer(
            response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        )
        connection.close()
        return answer

    def status(self, path: str, **how: Any) -> int:
        return self.request(path, **how).status

    def timed(self, path: str, **how: Any) -> tuple[int, float]:
        """Status and seconds."""
        started = time.monotonic()
        return self.status(path, **how), time.monotonic() - started

    def errors(self) -> int:
        """How often Envoy itself had to decide because it got no answer of ours."""
        return sum(
            value
            for name, value in self.envoy.stats().items()
            if name.endswith(("ext_authz.error", "ratelimit.error"))
        )


def run(
    *arguments: str, environ: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    """One `gatewright` command that ends by itself; `serve` does where it must not start."""
    return subprocess.run(
        [sys.executable, "-m", "gatewright", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_WITHIN,
        check=False,
        cwd=cwd,
        env=environment(environ),
    )
