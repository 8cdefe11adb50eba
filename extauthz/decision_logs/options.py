"""How decision logs are kept, wherever it was written: in our settings or in OPA's file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Service:
    """An HTTP service that takes decision logs as OPA sends them."""

    url: str
    """Where batches are posted, path and all."""
    authorization: str = field(default="", repr=False)
    """The header `Authorization`, scheme and all; empty: none."""
    token_file: Path | None = None
    """A file with a bearer token, read for each batch, instead of that; None: none."""
    ca: Path | None = None
    """Authorities of the service's certificate; None: those of the system."""
    cert: Path | None = None
    """Our certificate, where the service wants one."""
    key: Path | None = None
    """Its key."""
    timeout: float = 10.0
    """Seconds that connecting, sending and each part of the answer may take."""
    upload_bytes: int = 32_768
    """Of a batch, compressed."""
    min_delay: float = 5.0
    """Seconds between two batches at least, unless one is full before."""
    max_delay: float = 10.0
    """Seconds between two batches at most, and between two attempts after failures."""
    max_per_second: float | None = None
    """Events that are sent a second, the others are dropped; None: all."""


@dataclass(frozen=True)
class Options:
    """Where decision logs go, and what becomes of them when they cannot go there."""

    service: Service | None = None
    file: Path | None = None
    stdout: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    """Beside `id` and `version`."""
    when_full: Literal["drop", "deny"] = "drop"
    buffer: Path | None = None
    """A folder in which events wait for the service; None: in memory."""
    buffer_bytes: int = 64 << 20
    """Of events that wait for each sink, in each worker."""
    show: frozenset[str] = frozenset()
    """Default masks that do not hold."""
