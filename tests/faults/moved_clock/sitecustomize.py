"""Python imports this at the start of a process whose path has this folder: `wall_clock.py`.

Here the wall clock is what a file says, read at each call. libfaketime would do it below Python,
but its `clock_nanosleep` fails with EINVAL when only the wall clock is moved, and that is what
`time.sleep` calls.
"""

import mmap
import os
import struct
import time

_file = os.open(os.environ["MOVED_CLOCK"], os.O_RDONLY)
_offset = mmap.mmap(_file, 8, prot=mmap.PROT_READ)
_time, _time_ns = time.time, time.time_ns


def _moved() -> int:
    seconds: int = struct.unpack("q", _offset[:8])[0]
    return seconds


time.time = lambda: _time() + _moved()
time.time_ns = lambda: _time_ns() + _moved() * 1_000_000_000
