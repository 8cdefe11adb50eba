"""The request line: REQUEST_METHOD, REQUEST_URI and what is cut out of it."""

from urllib.parse import unquote_to_bytes

from waf.state import State


def method(state: State) -> bytes:
    """REQUEST_METHOD."""
    return state.request.method


def protocol(state: State) -> bytes:
    """REQUEST_PROTOCOL: `HTTP/1.1`."""
    return state.request.version


def line(state: State) -> bytes:
    """REQUEST_LINE, rebuilt: the gateway does not pass on the line itself."""
    request = state.request
    return b" ".join([part for part in (request.method, request.path, request.version) if part])


def uri_raw(state: State) -> bytes:
    """REQUEST_URI_RAW: as it was sent, with scheme and host if it had any."""
    return state.request.path


def uri(state: State) -> bytes:
    """REQUEST_URI: path and query, without scheme and host."""
    target = state.request.path
    if not target.startswith(b"/"):
        scheme, mark, rest = target.partition(b"://")
        if mark and scheme.isalpha():
            _, slash, path = rest.partition(b"/")
            return slash + path if slash else b"/"
    return target


def file_name(state: State) -> bytes:
    """REQUEST_FILENAME: the path without the query, its escapes decoded once, as servers do it.

    CRS rests on it: some of its rules decode no further (933151), others do so once more.
    """
    return unquote_to_bytes(uri(state).partition(b"?")[0])


def base_name(state: State) -> bytes:
    """REQUEST_BASENAME: what follows the last slash, or backslash, of the path."""
    path = file_name(state)
    start = max(path.rfind(b"/"), path.rfind(b"\\"))
    return path[start + 1 :]


def query(state: State) -> bytes:
    """QUERY_STRING: what follows the question mark, as it was sent."""
    return uri(state).partition(b"?")[2]


def full(state: State) -> bytes:
    """FULL_REQUEST: line, header fields and body, as far as they have come."""
    request = state.request
    lines = [line(state), *(name + b": " + value for name, value in request.headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + state.body


def full_length(state: State) -> bytes:
    """FULL_REQUEST_LENGTH, bytes."""
    return b"%d" % len(full(state))
