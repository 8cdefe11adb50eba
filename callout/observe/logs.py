"""Logs of the process: JSON for machines or readable for people, without secrets.

Everything arrives here: structlog's loggers, and those of the standard library that dependencies
use. Decisions are not logs; see `decision_lines`.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import Processor

from callout.observe.line_writer import LineWriter
from callout.observe.secrets import masked
from callout.observe.text import clean

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
LONGEST: Final = 8192
"""Characters of one text in a log line."""

_Event = MutableMapping[str, Any]


class LineHandler(logging.Handler):
    """Writes from a thread: a full disk or a reader that hangs costs lines, and nobody waits.

    What was logged in the last hundredths of a second before a `kill -9` is lost.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._writer = LineWriter[str](
            descriptor, str, lambda lines: f'{{"kind": "dropped", "log_lines": {lines}}}'
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Formats now, since what is logged may change, and hands it over."""
        try:
            self._writer.put(self.format(record))
        except Exception as error:
            # Its text may be of the request.
            self._writer.put(f"a log line cannot be made: {type(error).__name__}")

    def close(self) -> None:
        """Writes what waits, for a second at most; logging calls it at exit."""
        self._writer.close()
        super().close()


def configure(style: Literal["json", "text"], level: str, stream: TextIO | None = None) -> None:
    """Sends all logs of this process to `stream`; may be called again.

    Args:
        style: `json`: one object a line; `text`: readable, coloured on a terminal.
        level: one of LEVELS.
        stream: None: standard error.

    Raises:
        KeyError: `level` is none of LEVELS.
    """
    stream = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(
            fmt="iso" if style == "json" else "%H:%M:%S", utc=style == "json"
        ),
        structlog.processors.StackInfoRenderer(),
        # Before masking, so that an exception's text is masked too; and never with local variables.
        structlog.processors.format_exc_info,
        hide_secrets,
        escape_control_characters,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str)
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    handler = _handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    former, root.handlers[:] = list(root.handlers), [handler]
    for each in former:
        if isinstance(each, LineHandler):
            each.close()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Loggers are made at import, before this runs, and it may run again.
        cache_logger_on_first_use=False,
    )
    set_level(level)


def _handler(stream: TextIO) -> logging.Handler:
    try:
        return LineHandler(stream.fileno())
    except (OSError, ValueError):
        return logging.StreamHandler(stream)  # in memory


def set_level(level: str) -> None:
    """Changes what is logged from now on.

    Raises:
        KeyError: `level` is none of LEVELS.
    """
    logging.getLogger().setLevel(LEVELS[level])


def hide_secrets(_logger: object, _method: str, event: _Event) -> _Event:
    """A structlog processor: masks fields by their name and texts by their look."""
    for key, value in event.items():
        if not key.startswith("_"):
            event[key] = masked(value, key)
    return event


def escape_control_characters(_logger: object, _method: str, event: _Event) -> _Event:
    """A structlog processor: no text breaks its line or moves a terminal's cursor.

    Tracebacks keep their line breaks, with every line indented: none can pass for a log line.
    """
    for key, value in event.items():
        if key in ("exception", "stack") and isinstance(value, str):
            lines = value[:LONGEST].splitlines()
            event[key] = "\n".join("    " + clean(line, LONGEST) for line in lines)
        elif not key.startswith("_"):
            event[key] = _clean(value)
    return event


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean(value, LONGEST)
    if isinstance(value, dict):
        return {clean(str(key), LONGEST): _clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    return value
