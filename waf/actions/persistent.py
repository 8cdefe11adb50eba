"""Collections that outlive a request: initcol, expirevar, setsid, setuid, setrsc.

What: `initcol:ip=%{REMOTE_ADDR}` opens the collection IP of that key, so that TX-like reads and
`setvar:ip.hits=+1` reach it; `expirevar:ip.hits=60` lets a member be gone after 60 seconds;
`setsid:%{REQUEST_COOKIES.id}` opens SESSION, `setuid` USER and `setrsc` RESOURCE.
Where engines differ: Coraza has none of these; ModSecurity 3 keeps them a process at a time.
"""

from typing import Final

from waf.actions.contract import ActionProblem, Around, Draft, Step, needed
from waf.actions.setvar import member, opened
from waf.collections.members import number
from waf.macros import Expand
from waf.state import State

_NAMES: Final = ("IP", "SESSION", "USER", "GLOBAL", "RESOURCE")


def initcol(draft: Draft, argument: str | None, around: Around) -> None:
    """`initcol:ip=%{REMOTE_ADDR}`."""
    name, equals, key = needed(argument).partition("=")
    if not equals or name.strip().upper() not in _NAMES:
        raise ActionProblem(f"needs COLLECTION=KEY, the collection one of {', '.join(_NAMES)}")
    draft.steps.append(_open(name.strip().upper(), around.text(key.strip())))


def setsid(draft: Draft, argument: str | None, around: Around) -> None:
    """`setsid:%{REQUEST_COOKIES.id}`: SESSIONID, and the collection SESSION."""
    key = around.text(needed(argument))

    def step(state: State) -> None:
        state.session = key if isinstance(key, bytes) else key(state)
        _open("SESSION", state.session)(state)

    draft.steps.append(step)


def setuid(draft: Draft, argument: str | None, around: Around) -> None:
    """`setuid:%{ARGS.user}`: USERID, and the collection USER."""
    key = around.text(needed(argument))

    def step(state: State) -> None:
        state.user = key if isinstance(key, bytes) else key(state)
        _open("USER", state.user)(state)

    draft.steps.append(step)


def setrsc(draft: Draft, argument: str | None, around: Around) -> None:
    """`setrsc:%{REQUEST_FILENAME}`: the collection RESOURCE."""
    draft.steps.append(_open("RESOURCE", around.text(needed(argument))))


def expirevar(draft: Draft, argument: str | None, around: Around) -> None:
    """`expirevar:ip.hits=60`."""
    target, equals, seconds = needed(argument).partition("=")
    if not equals:
        raise ActionProblem("needs COLLECTION.NAME=SECONDS")
    collection, name = member(target, around)
    after = around.text(seconds)

    def step(state: State) -> None:
        members = opened(state, collection)
        if members is not None:
            wait = number(after if isinstance(after, bytes) else after(state))
            at = state.now + state.elapsed() + wait
            members.expire(name if isinstance(name, bytes) else name(state), at)

    draft.steps.append(step)


def _open(name: str, key: bytes | Expand) -> Step:
    def step(state: State) -> None:
        if name not in state.collections:
            state.collections[name] = state.opener(
                state, name, key if isinstance(key, bytes) else key(state)
            )

    return step
