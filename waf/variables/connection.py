"""Who is connected to whom: REMOTE_ADDR, SERVER_NAME and their like."""

from waf.state import State


def remote_address(state: State) -> bytes:
    """REMOTE_ADDR, and REMOTE_HOST: nobody asks DNS."""
    return state.peer.source_address


def remote_port(state: State) -> bytes:
    """REMOTE_PORT."""
    return b"%d" % state.peer.source_port


def server_address(state: State) -> bytes:
    """SERVER_ADDR."""
    return state.peer.destination_address


def server_port(state: State) -> bytes:
    """SERVER_PORT."""
    return b"%d" % state.peer.destination_port


def server_name(state: State) -> bytes:
    """SERVER_NAME: the host that was asked for, without port."""
    authority = state.request.authority or state.request.headers.get(b"host") or b""
    if authority.startswith(b"["):
        return authority.partition(b"]")[0] + b"]"
    return authority.partition(b":")[0]


def unique_id(state: State) -> bytes:
    """UNIQUE_ID."""
    return state.unique_id


def nothing(state: State) -> bytes:
    """A variable of a server in whose process rules would run: here it is always empty."""
    del state
    return b""
