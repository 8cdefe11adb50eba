"""Decision logs of a worker, put together by the settings."""

import contextlib
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import gatewright
from callout.config.settings import Settings
from callout.observe.metrics import Metrics
from callout.observe.outputs import FileOutput, SharedOutput
from extauthz.decision_logs.buffer import Buffer
from extauthz.decision_logs.defaults import Masks
from extauthz.decision_logs.disk import DiskBuffer
from extauthz.decision_logs.event import EventMaker
from extauthz.decision_logs.http_service import context_of
from extauthz.decision_logs.lines import Lines
from extauthz.decision_logs.log import DecisionLog, Sink
from extauthz.decision_logs.options import Options, Service
from extauthz.decision_logs.rate import Rate
from extauthz.decision_logs.recorder import Recorder
from extauthz.decision_logs.upload import Uploader
from gatewright.run.telemetry import Telemetry

FLUSH_WITHIN: Final = 0.8
"""Seconds after the drain in which what waits is sent: as for the last spans, half of what a
worker has left before it is killed."""
STDOUT_LOCK: Final = "stdout.lock"
"""The file in the folder of telemetry that workers lock to write long lines to standard output."""
_AGENT: Final = f"Gatewright/{gatewright.__version__}"


def decision_log(settings: Settings, telemetry: Telemetry) -> DecisionLog | None:
    """What the settings ask for; None: no decision logs.

    Raises:
        OSError: the file or the folder cannot be used.
    """
    options = options_of(settings)
    if options is None:
        return None
    deny = options.when_full == "deny"
    labels = {**options.labels, "id": str(uuid.uuid4()), "version": gatewright.__version__}
    maker = EventMaker(labels, Masks(options.show))
    log = DecisionLog(Recorder(deny), maker, _sinks(options, deny, telemetry.folder))
    _follow(telemetry.metrics, log)
    return log


def check_places(settings: Settings) -> None:
    """Tries what decision logs will be written to and read from, before any worker starts.

    Else workers would die of it one after the other, or the first batch would tell.

    Raises:
        OSError: a file or the folder cannot be used; a certificate is none.
    """
    options = options_of(settings)
    if options is None or "authz" not in settings.faces:
        return
    if options.file is not None:
        with _named(options.file):
            FileOutput(options.file).close()
    if options.buffer is not None:
        with _named(options.buffer):
            DiskBuffer(options.buffer, options.buffer_bytes, deny=False, adopts=False).close()
    if options.service is not None:
        if options.service.token_file is not None:
            with _named(options.service.token_file):
                options.service.token_file.open("rb").close()
        context_of(options.service)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # of a file in a folder, too: the operator knows the folder
        raise OSError(error.errno, error.strerror or type(error).__name__, str(path)) from None


def options_of(settings: Settings) -> Options | None:
    """The settings, as the decision log wants them."""
    logs = settings.decision_logs
    if logs is None:
        return None
    service = None
    if logs.url is not None:
        service = Service(
            url=logs.url,
            authorization=logs.authorization or "",
            token_file=_path(logs.token_file),
            ca=_path(logs.ca),
            cert=_path(logs.cert),
            key=_path(logs.key),
            upload_bytes=logs.upload_bytes,
            min_delay=logs.min_delay,
            max_delay=logs.max_delay,
            max_per_second=logs.max_per_second,
        )
    return Options(
        service=service,
        file=_path(logs.file),
        stdout=logs.stdout,
        labels=logs.labels,
        when_full=logs.when_full,
        buffer=_path(logs.buffer),
        buffer_bytes=logs.buffer_bytes,
        show=frozenset(logs.show),
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text is not None else None


def _sinks(options: Options, deny: bool, folder: Path) -> list[Sink]:
    sinks: list[Sink] = []
    most = options.buffer_bytes
    if options.service is not None:
        buffer: Buffer | DiskBuffer = Buffer(most, deny)
        if options.buffer is not None:
            buffer = DiskBuffer(options.buffer, most, deny)
        most_a_second = options.service.max_per_second
        rate = Rate(most_a_second) if most_a_second is not None else None
        sinks.append(Sink("http", buffer, Uploader(options.service, buffer, _AGENT), rate))
    if options.file is not None:
        lines = Buffer(most, deny)
        sinks.append(Sink("file", lines, Lines(FileOutput(options.file), lines)))
    if options.stdout:
        lines = Buffer(most, deny)
        output = SharedOutput(sys.stdout.fileno(), folder / STDOUT_LOCK)
        sinks.append(Sink("stdout", lines, Lines(output, lines)))
    return sinks


def _follow(metrics: Metrics, log: DecisionLog) -> None:
    metrics.follow_counters(
        "gatewright_decision_log_events", "Events that a sink took.", "sink", lambda: log.sent
    )
    metrics.follow_counters(
        "gatewright_decision_log_dropped",
        "Events that a sink will never have.",
        "reason",
        lambda: log.dropped,
    )
    metrics.follow_counters(
        "gatewright_decision_log_rules",
        "Events that data.system.log.drop dropped, and events without input and result, because a"
        " rule about them failed.",
        "result",
        lambda: log.made,
    )
    metrics.follow_counters(
        "gatewright_decision_log_uploads",
        "Batches that the service took, and attempts that failed.",
        "result",
        lambda: log.uploads,
    )
    metrics.follow_gauge(
        "gatewright_decision_log_waiting",
        "Events that wait for the sink that is furthest behind.",
        lambda: log.waiting,
        across="sum",
    )
