"""Watches the certificate files and hands over what is in them, once it is good."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import structlog

from callout.serve.certificates import Certificates, Verdict, checked, open_to_all, read
from callout.serve.handshakes import context
from callout.serve.tls import ServerTls

_log = structlog.get_logger("callout.serve")

LOOK_EVERY = 1.0
"""Seconds between two looks. By content, which sees every kind of replacement, and costs 50 us; no
watch of folders does, and a kubelet takes up to a minute itself to bring new files."""
MISTAKE = "the certificate files cannot be judged, by a mistake of ours; see the log"

Seen: TypeAlias = Certificates | str
"""What the files held, or why they could not be read."""


@dataclass(slots=True)
class Reloads:
    """Counts since the start."""

    loaded: int = 0
    rejected: int = 0


class CertificateKeeper:
    """The certificates in use, which are always good ones, and the files that may replace them.

    One for all workers: they get the bytes that were judged here, and so does a worker that is
    started while the files are being replaced.
    """

    def __init__(self, tls: ServerTls, on_new: Callable[[Certificates], None]) -> None:
        """Reads the files for the first time.

        Args:
            tls: names them.
            on_new: told of certificates that are to be used from now on.

        Raises:
            OSError: they cannot be used; the text says why.
        """
        self._tls = tls
        self._on_new = on_new
        self.reloads = Reloads()
        self.problem = ""
        """Why what the files hold now is not in use; empty: it is."""
        self.current = read(tls)
        self.verdict = self._judged(self.current)
        self._seen: Seen = self.current
        self._judged_last: Seen = self.current
        self._warn()

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                self.look(at_once=False)
            except Exception:
                # A mistake of ours over one certificate must not end the watch for the next.
                if self.problem != MISTAKE:
                    self.problem = MISTAKE
                    self.reloads.rejected += 1
                    _log.exception("certificates rejected; the former stay in use")

    def look(self, *, at_once: bool) -> Literal["same", "settling", "loaded", "rejected"]:
        """Reads the files, and takes what is new in them.

        Args:
            at_once: not only when two looks in a row have found the same. A file that is half
                written may well be good by itself: a certificate whose chain is still to come.
        """
        seen = self._read()
        settled = at_once or seen == self._seen
        self._seen = seen
        # What was refused is judged again: a certificate that is not valid yet will be.
        if seen == self._judged_last and not self.problem:
            return "same"
        if not settled:
            return "settling"
        self._judged_last = seen
        if seen == self.current:
            self.problem = ""
            return "same"
        return self._take(seen)

    def _read(self) -> Seen:
        try:
            return read(self._tls)
        except OSError as error:
            return str(error)

    def _take(self, seen: Seen) -> Literal["loaded", "rejected"]:
        try:
            if isinstance(seen, str):
                raise OSError(seen)
            self.verdict = self._judged(seen)
        except OSError as error:
            if str(error) != self.problem:
                self.problem = str(error)
                self.reloads.rejected += 1
                _log.error("certificates rejected; the former stay in use", problem=self.problem)
            return "rejected"
        self.current, self.problem = seen, ""
        self.reloads.loaded += 1
        _log.info("certificates loaded", ends=dict(self.verdict.expiry))
        self._warn()
        self._on_new(seen)
        return "loaded"

    def _judged(self, certificates: Certificates) -> Verdict:
        verdict = checked(certificates, self._tls)
        context(self._tls, certificates)
        return verdict

    def _warn(self) -> None:
        for each in (*self.verdict.warnings, open_to_all(self._tls.key, "tls.key")):
            if each:
                _log.warning("certificates", problem=each)
