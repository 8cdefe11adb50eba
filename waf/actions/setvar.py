"""setvar: write, add to, take from or delete a member of a collection.

What: `setvar:'tx.score=+%{tx.critical_anomaly_score}'`, `=-1`, `=text`, `setvar:tx.seen` (1),
`setvar:!tx.seen` (delete). For every value that matches, whether or not the chain does.
Arguments: TX, IP, SESSION, USER, GLOBAL, RESOURCE; name and value may hold macros. A persistent
collection that no `initcol` opened takes nothing.
Where engines differ: none add anything but whole numbers; text counts as 0.
"""

from typing import Final

from waf.actions.contract import ActionProblem, Around, Draft, Step, needed
from waf.collections.members import Members, number
from waf.macros import Expand
from waf.state import State

COLLECTIONS: Final = ("TX", "IP", "SESSION", "USER", "GLOBAL", "RESOURCE")


def setvar(draft: Draft, argument: str | None, around: Around) -> None:
    """`setvar:'tx.score=+5'`."""
    text = needed(argument)
    deleted = text.startswith("!")
    target, _, value = text.removeprefix("!").partition("=")
    collection, name = member(target, around)
    if deleted:
        draft.steps.append(_remove(collection, name))
    elif "=" not in text:
        draft.steps.append(_write(collection, name, b"1"))
    elif value[:1] in ("+", "-"):
        sign = 1 if value[0] == "+" else -1
        draft.steps.append(_add(collection, name, sign, around.text(value[1:])))
    else:
        draft.steps.append(_write(collection, name, around.text(value)))


def member(target: str, around: Around) -> tuple[str, bytes | Expand]:
    """Collection and name of `tx.score`, of which either may be written in any case."""
    collection, dot, name = target.strip().partition(".")
    if not dot:
        collection, dot, name = target.strip().partition(":")
    if not dot or not name:
        raise ActionProblem("needs a member as in tx.score")
    if collection.upper() not in COLLECTIONS:
        raise ActionProblem(f"{collection} is not one of {', '.join(COLLECTIONS)}")
    return collection.upper(), around.text(name)


def opened(state: State, collection: str) -> Members | None:
    """The members of a collection; None: no `initcol` opened it."""
    return state.tx if collection == "TX" else state.collections.get(collection)


def _remove(collection: str, name: bytes | Expand) -> Step:
    def step(state: State) -> None:
        members = opened(state, collection)
        if members is not None:
            members.remove(name if isinstance(name, bytes) else name(state))

    return step


def _write(collection: str, name: bytes | Expand, value: bytes | Expand) -> Step:
    def step(state: State) -> None:
        members = opened(state, collection)
        if members is not None:
            members.put(
                name if isinstance(name, bytes) else name(state),
                value if isinstance(value, bytes) else value(state),
            )

    return step


def _add(collection: str, name: bytes | Expand, sign: int, value: bytes | Expand) -> Step:
    def step(state: State) -> None:
        members = opened(state, collection)
        if members is not None:
            amount = number(value if isinstance(value, bytes) else value(state))
            members.add(name if isinstance(name, bytes) else name(state), sign * amount)

    return step
