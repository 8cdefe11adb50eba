"""REQUEST_COOKIES and REQUEST_COOKIES_NAMES."""

from collections.abc import Sequence

from callout.http.bodies.cookies import decode
from waf.bodies import limits
from waf.state import Pair, State


def pairs(state: State) -> Sequence[Pair]:
    """REQUEST_COOKIES: of all Cookie fields, of which HTTP/2 often has several."""
    kept = state.cache.get("REQUEST_COOKIES")
    if kept is None:
        header = state.request.headers.joined(b"cookie")
        settings = state.settings
        kept = (
            ()
            if header is None
            else decode(header, limits(settings), 1 if settings.cookie_format else 0).pairs
        )
        state.cache["REQUEST_COOKIES"] = kept
    return kept


def names(state: State) -> Sequence[Pair]:
    """REQUEST_COOKIES_NAMES."""
    return [(name, name) for name, _ in pairs(state)]
