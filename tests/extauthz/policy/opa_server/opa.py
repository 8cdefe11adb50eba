"""A real OPA server that is started with flags: TLS, authentication, bundles."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path

from callout.testing import tools
from callout.testing.ports import free_port
from callout.testing.process import Process


class Opa:
    """`opa run --server` of the Rego files in a folder, on 127.0.0.1."""

    def __init__(
        self,
        folder: Path,
        *flags: str | Path,
        port: int = 0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Starts it; `context`: as a client it takes TLS."""
        self.port = port or free_port()
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"
        self._context = context
        command: list[str | Path] = [tools.require("opa"), "run", "--server", *flags]
        command += ["--addr", f"127.0.0.1:{self.port}", "--log-level", "error"]
        command += ["--disable-telemetry", *folder.glob("*.rego")]
        self._process = Process(command, folder / "opa.log", lambda: self.get("/health") > 0)

    def get(self, path: str) -> int:
        """The status of the answer."""
        try:
            with urllib.request.urlopen(
                f"{self.url}{path}", timeout=5, context=self._context
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def close(self) -> None:
        """Kills it."""
        self._process.kill()
