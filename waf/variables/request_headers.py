"""REQUEST_HEADERS and REQUEST_HEADERS_NAMES, with Host, which the gateway holds apart."""

from collections.abc import Sequence

from waf.state import Pair, State


def fields(state: State) -> Sequence[Pair]:
    """REQUEST_HEADERS: names in lower case, repeated fields one by one."""
    request = state.request
    if request.authority and b"host" not in request.headers:
        return [(b"host", request.authority), *request.headers]
    return list(request.headers)


def names(state: State) -> Sequence[Pair]:
    """REQUEST_HEADERS_NAMES."""
    return [(name, name) for name, _ in fields(state)]


def authentication(state: State) -> bytes:
    """AUTH_TYPE: the scheme of the Authorization field."""
    return (state.request.headers.get(b"authorization") or b"").partition(b" ")[0]
