"""What systemd is told by a service of `Type=notify`: sd_notify(3), without its library."""

import contextlib
import os
import socket


def notify(*lines: str) -> None:
    """Tells it, if it listens: `READY=1`, `MAINPID=4711`, `STOPPING=1`."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        # An abstract name begins with a zero byte.
        sock.connect("\0" + path[1:] if path.startswith("@") else path)
        sock.send("\n".join(lines).encode())
