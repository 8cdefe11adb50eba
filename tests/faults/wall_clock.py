"""The wall clock of other processes, moved by a test."""

import mmap
import os
import struct
from collections.abc import Mapping
from pathlib import Path

_MODULE = Path(__file__).parent / "moved_clock"


class WallClock:
    """Seconds since 1970, as `time.time` tells them to Python processes with this environment.

    Only the wall clock: the monotonic one goes on, as it does when an operator or NTP sets the
    time.
    """

    def __init__(self, folder: Path) -> None:
        """Shows the right time at first; a file in `folder` says by how much it is wrong."""
        self._file = folder / "wall-clock"
        self._file.write_bytes(bytes(8))
        descriptor = os.open(self._file, os.O_RDWR)
        self._offset = mmap.mmap(descriptor, 8)
        os.close(descriptor)

    @property
    def environ(self) -> Mapping[str, str]:
        """For the processes that shall see it."""
        return {"PYTHONPATH": str(_MODULE), "MOVED_CLOCK": str(self._file)}

    def jump(self, seconds: int) -> None:
        """So far from the right time from now on."""
        self._offset[:8] = struct.pack("q", seconds)
