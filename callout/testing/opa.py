"""A real OPA server."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callout.testing import tools
from callout.testing.ports import free_port
from callout.testing.process import Process


class OpaServer:
    """`opa run --server` on a free port of 127.0.0.1."""

    def __init__(
        self, folder: Path, policies: Mapping[str, str], data: Mapping[str, Any] | None = None
    ) -> None:
        """Starts it.

        Args:
            folder: an existing, empty directory of its own.
            policies: Rego text by file name (`shop.rego`).
            data: the base document.
        """
        sources = folder / "bundle"
        sources.mkdir()
        for name, text in policies.items():
            path = sources / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if data is not None:
            (sources / "data.json").write_text(json.dumps(data))
        self.port = free_port()
        command: list[str | Path] = [tools.require("opa"), "run", "--server"]
        command += ["--addr", f"127.0.0.1:{self.port}", "--log-level", "error"]
        command += ["--disable-telemetry", sources]
        self._command = command
        self._log = folder / "opa.log"
        self._process = self._start()

    @property
    def url(self) -> str:
        """The address of its REST API, with no slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id, for CPU measurements."""
        return self._process.pid

    @property
    def logs(self) -> str:
        """All that it wrote."""
        return self._process.logs

    def query(self, path: str, document: Any) -> Any:
        """What it decides: `path` is `shop/allow`; the answer is the whole JSON (`{"result":}`)."""
        request = urllib.request.Request(  # noqa: S310 - our own http URL
            f"{self.url}/v1/data/{path}",
            data=json.dumps({"input": document}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def stop(self) -> None:
        """Freezes it: connections stay open and nothing is answered."""
        self._process.freeze()

    def cont(self) -> None:
        """Ends `stop`."""
        self._process.thaw()

    def restart(self) -> None:
        """Starts it again at the same port, after `close`."""
        self._process = self._start()

    def close(self) -> None:
        """Kills it: connections break, and new ones are refused."""
        self._process.kill()

    def _start(self) -> Process:
        return Process(self._command, self._log, self._ready)

    def _ready(self) -> bool:
        with urllib.request.urlopen(f"{self.url}/health", timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
