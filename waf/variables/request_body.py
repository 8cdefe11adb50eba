"""The request body as a whole, and what went wrong with it."""

from collections.abc import Callable, Sequence

from waf.state import Pair, State


def body(state: State) -> bytes:
    """REQUEST_BODY: of a form, or where `ctl:forceRequestBodyVariable` asked for it."""
    if state.processor == b"URLENCODED" or state.processor == b"RAW" or state.force_body_variable:
        return state.body
    return b""


def length(state: State) -> bytes:
    """REQUEST_BODY_LENGTH, bytes, whatever the processor."""
    return b"%d" % len(state.body)


def processor(state: State) -> bytes:
    """REQBODY_PROCESSOR: URLENCODED, MULTIPART, JSON, XML, RAW; empty: none."""
    return state.processor


def failed(state: State) -> bytes:
    """REQBODY_ERROR, and REQBODY_PROCESSOR_ERROR."""
    return b"1" if state.body_values.error else b"0"


def message(state: State) -> bytes:
    """REQBODY_ERROR_MSG: what the processor says is wrong; nothing of the body."""
    return state.body_values.error.encode()


def overflow(state: State) -> bytes:
    """INBOUND_DATA_ERROR: the body was longer than SecRequestBodyLimit."""
    return b"1" if state.inbound_overflow else b"0"


def flag(name: str) -> Callable[[State], bytes]:
    """MULTIPART_STRICT_ERROR and its like: 0, or what the decoder says."""

    def read(state: State) -> bytes:
        return b"%d" % state.body_values.flags.get(name, 0)

    return read


def part_headers(state: State) -> Sequence[Pair]:
    """MULTIPART_PART_HEADERS: by name of the part, each raw header line."""
    return state.body_values.part_headers


def part_names(state: State) -> Sequence[Pair]:
    """MULTIPART_NAME."""
    return state.body_values.part_names


def part_file_names(state: State) -> Sequence[Pair]:
    """MULTIPART_FILENAME."""
    return state.body_values.part_file_names


def xml(state: State) -> Sequence[Pair]:
    """XML: its members `/*` are texts of elements, `//@*` values of attributes."""
    values = state.body_values
    return [
        *((b"/*", text) for text in values.texts),
        *((b"//@*", value) for value in values.attributes),
    ]
