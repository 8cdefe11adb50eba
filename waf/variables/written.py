"""What rules have written: TX, the persistent collections, ENV, and what a rule says of itself."""

from collections.abc import Callable, Sequence

from waf.state import Pair, State


def tx(state: State) -> Sequence[Pair]:
    """TX."""
    return list(state.tx)


def persistent(name: str) -> Callable[[State], Sequence[Pair]]:
    """IP, SESSION, USER, GLOBAL, RESOURCE: empty until `initcol` opened it."""

    def read(state: State) -> Sequence[Pair]:
        members = state.collections.get(name)
        return [] if members is None else list(members)

    return read


def environment(state: State) -> Sequence[Pair]:
    """ENV: what `setenv` wrote, and nothing of the process's own."""
    return list(state.environment.items())


def rule(state: State) -> Sequence[Pair]:
    """RULE: what the rule at hand says of itself, macros as they are written."""
    labels = state.labels
    severity = b"" if labels.severity is None else b"%d" % labels.severity
    return [
        (b"id", b"%d" % labels.id),
        (b"rev", labels.revision.encode()),
        (b"severity", severity),
        (b"msg", labels.message.encode("utf-8", "surrogateescape")),
        (b"logdata", labels.log_data.encode("utf-8", "surrogateescape")),
    ]


def session_id(state: State) -> bytes:
    """SESSIONID: what `setsid` said."""
    return state.session


def user_id(state: State) -> bytes:
    """USERID: what `setuid` said."""
    return state.user


def web_application(state: State) -> bytes:
    """WEBAPPID."""
    return state.settings.web_application


def highest_severity(state: State) -> bytes:
    """HIGHEST_SEVERITY of the rules that matched so far; 255: none has one."""
    return b"%d" % state.highest_severity


def none(state: State) -> Sequence[Pair]:
    """ARGS_PATH, FILES_TMPNAMES, GEO, RESPONSE_ARGS: nothing here fills them.

    No rule names parts of a path, no file is written to disk, and places of addresses are the
    gateway's to know.
    """
    del state
    return ()
