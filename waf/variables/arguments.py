"""ARGS and its parts: what the query and the body say, name by name."""

from collections.abc import Sequence

from waf.bodies import form
from waf.state import Pair, State
from waf.variables.request_line import query


def of_query(state: State) -> Sequence[Pair]:
    """ARGS_GET."""
    kept = state.cache.get("ARGS_GET")
    if kept is None:
        kept = form(query(state), state.settings).arguments
        state.cache["ARGS_GET"] = kept
    return kept


def of_body(state: State) -> Sequence[Pair]:
    """ARGS_POST."""
    return state.body_values.arguments


def every(state: State) -> Sequence[Pair]:
    """ARGS: those of the query, then those of the body."""
    return [*of_query(state), *of_body(state)]


def query_names(state: State) -> Sequence[Pair]:
    """ARGS_GET_NAMES."""
    return [(name, name) for name, _ in of_query(state)]


def body_names(state: State) -> Sequence[Pair]:
    """ARGS_POST_NAMES."""
    return [(name, name) for name, _ in of_body(state)]


def names(state: State) -> Sequence[Pair]:
    """ARGS_NAMES."""
    return [(name, name) for name, _ in every(state)]


def combined_size(state: State) -> bytes:
    """ARGS_COMBINED_SIZE: bytes of all names and values."""
    return b"%d" % sum(len(name) + len(value) for name, value in every(state))


def encoding_error(state: State) -> bytes:
    """URLENCODED_ERROR: a percent sign begins no escape, in the query or in a form."""
    wrong = form(query(state), state.settings).encoding_error
    return b"1" if wrong or state.body_values.encoding_error else b"0"
