"""A real OPA with decision logs on."""

import http.client
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callout.testing import tools
from callout.testing.ports import free_port
from callout.testing.process import Process
from extauthz.policy.values.text import to_json


class LoggingOpa:
    """`opa run --server` that logs each decision to a service, a second later at most."""

    def __init__(self, folder: Path, policies: Mapping[str, str], service: str) -> None:
        """`service` is the URL without the path."""
        sources = folder / "policies"
        sources.mkdir(parents=True)
        for name, text in policies.items():
            (sources / name).write_text(text)
        config = folder / "opa.json"
        logs = {"service": "sink", "reporting": {"min_delay_seconds": 1, "max_delay_seconds": 1}}
        document = {
            "services": {"sink": {"url": service}},
            "labels": {"region": "eu"},
            "decision_logs": logs,
        }
        config.write_text(json.dumps(document))
        self._port = free_port()
        command: list[str | Path] = [tools.require("opa"), "run", "--server", "--config-file"]
        command += [config, "--addr", f"127.0.0.1:{self._port}", "--disable-telemetry", sources]
        # at a higher log level than `info` OPA does not know who asked
        self._process = Process(command, folder / "opa.log", self._ready)
        self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)

    def decide(self, path: str, document: Any, headers: Mapping[str, str] | None = None) -> Any:
        """The whole answer: `{"result": ..., "decision_id": ...}`."""
        body = to_json({"input": document})
        headers = {"content-type": "application/json", **(headers or {})}
        self._connection.request("POST", f"/v1/data/{path}", body.encode(), headers)
        return json.load(self._connection.getresponse())

    def close(self) -> None:
        self._connection.close()
        self._process.kill()

    def _ready(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health", timeout=1) as answer:
            return bool(answer.status == 200)
