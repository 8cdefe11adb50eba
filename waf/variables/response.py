"""The response: RESPONSE_STATUS, RESPONSE_HEADERS, RESPONSE_BODY and their like."""

from collections.abc import Sequence

from waf.state import Pair, State


def status(state: State) -> bytes:
    """RESPONSE_STATUS."""
    return b"" if state.response is None else b"%d" % state.response.status


def protocol(state: State) -> bytes:
    """RESPONSE_PROTOCOL: that of the request, in which the gateway answers."""
    return b"" if state.response is None else state.request.version


def line(state: State) -> bytes:
    """STATUS_LINE, without a reason phrase."""
    return b"" if state.response is None else state.request.version + b" " + status(state)


def fields(state: State) -> Sequence[Pair]:
    """RESPONSE_HEADERS: names in lower case, repeated fields one by one."""
    return [] if state.response is None else list(state.response.headers)


def names(state: State) -> Sequence[Pair]:
    """RESPONSE_HEADERS_NAMES."""
    return [(name, name) for name, _ in fields(state)]


def content_type(state: State) -> bytes:
    """RESPONSE_CONTENT_TYPE, with its parameters."""
    found = None if state.response is None else state.response.headers.get(b"content-type")
    return found or b""


def content_length(state: State) -> bytes:
    """RESPONSE_CONTENT_LENGTH: bytes of the body that phase 4 sees."""
    return b"%d" % len(state.response_body)


def body(state: State) -> bytes:
    """RESPONSE_BODY, with its content coding taken off."""
    return state.response_body


def overflow(state: State) -> bytes:
    """OUTBOUND_DATA_ERROR: the body was longer than SecResponseBodyLimit."""
    return b"1" if state.outbound_overflow else b"0"


def processor(state: State) -> bytes:
    """RES_BODY_PROCESSOR: what `ctl:responseBodyProcessor` said."""
    return state.response_processor
