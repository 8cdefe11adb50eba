"""The frames beside requests: settings, pings, windows, resets, GOAWAY (RFC 9113, 6.3 to 6.9)."""

from collections.abc import Callable, Mapping
from struct import Struct
from types import MappingProxyType
from typing import Any, TypeAlias

from callout.http2 import frames
from callout.http2.errors import ConnectionFault, ErrorCode
from callout.http2.events import Event, PeerGoAway, Refused, Reset
from callout.http2.floods import Floods
from callout.http2.hpack import HeaderDecoder
from callout.http2.limits import Limits
from callout.http2.outbound import Outbound
from callout.http2.stream import Stream

Events: TypeAlias = list[Event[Any]]

_settings_of = Struct(">HI").iter_unpack

# How our own PING of a graceful GOAWAY is known by its answer.
_DRAIN_PING = b"drained?"
# And the one of a `probe`.
_PROBE_PING = b"how far?"


class Control(Outbound):
    """What both sides tell each other about the connection."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._decoder = HeaderDecoder(limits)
        self._floods = Floods(limits)
        self._now: float | None = None
        self._first_id = -1  # `_last_id` at the beginning of the interval, less what was skipped
        self._settings_due: float | None = None
        self._acknowledged = False
        # A client that has not seen our SETTINGS yet may use the default.
        self._initial_receive = max(limits.stream_window, frames.INITIAL_WINDOW)
        # Head and content-length (-1: none) by header block, while no table changes.
        self._memo: dict[bytes, tuple[Any, int]] = {}
        self._drain_due: float | None = None
        self._draining = False
        self.probing = False
        """Whether the answer to `probe` is awaited."""

    def start(self) -> None:
        """Queue our SETTINGS; call once, before anything else."""
        self._out.append(frames.settings(self.limits))
        extra = self.limits.connection_window - frames.INITIAL_WINDOW
        if extra:
            self._out.append(frames.window_update(0, extra))

    def tick(self, now: float) -> Events:
        """Apply the limits of time. Call every second or so.

        Args:
            now: seconds of a monotonic clock, the same as in `receive`.
        """
        if self.terminated is not None:
            return self._take_unreported()
        self._keep_time(now)
        if not self._acknowledged and self._settings_due is not None and now >= self._settings_due:
            return [self._terminate(ErrorCode.SETTINGS_TIMEOUT, "settings_timeout")]
        if self._draining and not self._final:
            if self._drain_due is None:
                self._drain_due = now + self.limits.goaway_seconds
            elif now >= self._drain_due:
                self._finish_goaway()
        return []

    def go_away(self, code: ErrorCode = ErrorCode.NO_ERROR, debug: bytes = b"") -> None:
        """End the connection: gracefully with NO_ERROR, otherwise at once.

        Graceful is in two steps (RFC 9113, 6.8): a GOAWAY that names no last stream, and a PING;
        when it is answered, or `Limits.goaway_seconds` later, a GOAWAY with the last stream. So
        requests that were on their way when we decided are still answered. Those after it are
        refused, and the connection is `closed` when the others have ended.

        Args:
            code: why.
            debug: text for the client's log.
        """
        if self.terminated is not None:
            return
        if code != ErrorCode.NO_ERROR:
            self._say_goaway(code, debug)
            self._streams.clear()
            self._ready.clear()
            self.queued = 0
            self._final = self._draining = True
        elif not self._draining:
            self._draining = True
            self._out.append(frames.goaway(frames.MAX_STREAM_ID, code, debug))
            self._out.append(frames.ping(_DRAIN_PING))
            if self._now is not None:
                self._drain_due = self._now + self.limits.goaway_seconds

    def probe(self) -> None:
        """Send a PING, which the client answers behind all that it has written before."""
        if self.terminated is None and not self.probing:
            self.probing = True
            self._out.append(frames.ping(_PROBE_PING))

    def _finish_goaway(self) -> None:
        self._final = True
        self._say_goaway(ErrorCode.NO_ERROR, b"")

    def _keep_time(self, now: float) -> None:
        self._now = now
        if now >= self._floods.ends:
            self._floods.begin(now)
            self._first_id = self._last_id
            self._frames_sent = 0
            if self._settings_due is None:
                self._settings_due = now + self.limits.settings_seconds

    def _begun(self) -> int:
        """Requests that began in this interval: identifiers go up by two with each."""
        return (self._last_id - self._first_id) // 2

    def _take_unreported(self) -> Events:
        event, self._unreported = self._unreported, None
        return [event] if event is not None else []

    def _fail_stream(self, stream_id: int, code: ErrorCode, reason: str, events: Events) -> None:
        """Answer a stream error (RFC 9113, 5.4.2) with RST_STREAM, and report it."""
        stream = self._streams.get(stream_id)
        if stream is None:
            events.append(Refused(stream_id, code, reason))
        else:
            self._drop_reported(stream_id, stream, code, events)
        self._send_reset(stream_id, code)
        self._floods.reset(self._begun())

    def _drop_reported(self, stream_id: int, stream: Stream, code: int, events: Events) -> None:
        events.append(Reset(stream_id, code))
        self._drop(stream_id, stream)

    def _must_not_be_idle(self, stream_id: int) -> None:
        """A frame for a stream that is not open: one that never was is an error (5.1)."""
        if stream_id > self._last_id or not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "idle_stream")

    def _on_priority(self, _flags: int, stream_id: int, payload: bytes, _events: Events) -> None:
        # Priorities are deprecated (RFC 9113, 5.3) and ignored, but for what is plainly wrong.
        # Connection errors, because a stream that is still idle cannot be reset.
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "priority")
        if len(payload) != 5:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "priority")
        if int.from_bytes(payload[:4], "big") & frames.MAX_STREAM_ID == stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "priority")
        self._floods.empty_frame()

    def _on_reset(self, _flags: int, stream_id: int, payload: bytes, events: Events) -> None:
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "reset")
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "reset")
        stream = self._streams.get(stream_id)
        if stream is None:
            self._must_not_be_idle(stream_id)
            self._floods.late_reset(self._begun())
            return
        self._drop_reported(stream_id, stream, int.from_bytes(payload, "big"), events)
        if not stream.answered:
            # Others were not begun in vain: Envoy ends every stream of ext_proc so (1.40 says
            # INTERNAL_ERROR) when the exchange is over, and thousands a second are no attack.
            self._floods.reset(self._begun())

    def _on_settings(self, flags: int, stream_id: int, payload: bytes, events: Events) -> None:
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "settings")
        if len(payload) % 6 or (flags & frames.ACK and payload):
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "settings")
        self._floods.setting()
        if flags & frames.ACK:
            if not self._acknowledged:
                self._acknowledged = True
                self._initial_receive = self.limits.stream_window
                self._decoder.acknowledged()
                self._memo.clear()  # the next block must change the table, perhaps
            return
        # Only the last value of each counts, so that a frame with thousands of window sizes does
        # not touch every stream thousands of times.
        chosen: dict[int, int] = {}
        for key, value in _settings_of(payload):
            _check_setting(key, value)
            if key == frames.HEADER_TABLE_SIZE and value < 4096:
                self._shrink_table = True
            chosen[key] = value
        self._out.append(frames.SETTINGS_ACK)
        window = chosen.get(frames.INITIAL_WINDOW_SIZE)
        if window is not None:
            self._change_windows(window, events)

    def _change_windows(self, window: int, events: Events) -> None:
        change = window - self._initial_send
        self._initial_send = window
        if not change:
            return
        for stream_id, stream in self._streams.items():
            stream.send_window += change
            if stream.send_window > frames.MAX_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "window_overflow")
            if stream.pending is not None:
                if stream.send_window > 0:
                    self._ready[stream_id] = stream
                else:
                    self._ready.pop(stream_id, None)
        events += self._flush()

    def _on_push_promise(self, _flags: int, _id: int, _payload: bytes, _events: Events) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "push_promise")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes, _events: Events) -> None:
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ping")
        if len(payload) != 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "ping")
        if self.probing and flags & frames.ACK and payload == _PROBE_PING:
            self.probing = False
            return
        self._floods.ping()
        if not flags & frames.ACK:
            self._out.append(frames.ping(payload, frames.ACK))
        elif payload == _DRAIN_PING and self._draining and not self._final:
            self._finish_goaway()

    def _on_goaway(self, _flags: int, stream_id: int, payload: bytes, events: Events) -> None:
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "goaway")
        if len(payload) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "goaway")
        self._floods.empty_frame()
        last = int.from_bytes(payload[:4], "big") & frames.MAX_STREAM_ID
        events.append(PeerGoAway(int.from_bytes(payload[4:8], "big"), last))

    def _on_window_update(
        self, _flags: int, stream_id: int, payload: bytes, events: Events
    ) -> None:
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "window_update")
        self._floods.window_update(2 * (self._begun() + self._frames_sent))
        increment = int.from_bytes(payload, "big") & frames.MAX_WINDOW
        if stream_id == 0:
            if increment == 0:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "window_update")
            self._send_window += increment
            if self._send_window > frames.MAX_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "window_overflow")
        else:
            stream = self._streams.get(stream_id)
            if stream is None:
                self._must_not_be_idle(stream_id)
                return
            if increment == 0:
                self._fail_stream(stream_id, ErrorCode.PROTOCOL_ERROR, "window_update", events)
                return
            stream.send_window += increment
            if stream.send_window > frames.MAX_WINDOW:
                self._fail_stream(
                    stream_id, ErrorCode.FLOW_CONTROL_ERROR, "window_overflow", events
                )
                return
            if stream.pending is not None and stream.send_window > 0:
                self._ready[stream_id] = stream
        if self._ready:
            events += self._flush()


def _check_setting(key: int, value: int) -> None:
    if key == frames.ENABLE_PUSH and value > 1:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "settings")
    if key == frames.INITIAL_WINDOW_SIZE and value > frames.MAX_WINDOW:
        raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "settings")
    if key == frames.MAX_FRAME_SIZE and not 2**14 <= value < 2**24:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "settings")


CONTROL_FRAMES: Mapping[int, Callable[[Control, int, int, bytes, Events], None]] = MappingProxyType(
    {
        frames.PRIORITY: Control._on_priority,
        frames.RST_STREAM: Control._on_reset,
        frames.SETTINGS: Control._on_settings,
        frames.PUSH_PROMISE: Control._on_push_promise,
        frames.PING: Control._on_ping,
        frames.GOAWAY: Control._on_goaway,
        frames.WINDOW_UPDATE: Control._on_window_update,
    }
)
"""Frame types that the request path leaves to this file, each with its handler."""
