"""setenv: a member of ENV, which later rules and logs read.

What: `setenv:blocked=1`, `setenv:!blocked`; name and value may hold macros.
Where engines differ: in ModSecurity it reaches the web server; here it stays in the transaction.
"""

from typing import Final

from waf.actions.contract import Around, Draft, needed
from waf.state import State

_MOST: Final = 1000


def setenv(draft: Draft, argument: str | None, around: Around) -> None:
    """`setenv:blocked=1`."""
    text = needed(argument)
    name, _, value = text.removeprefix("!").partition("=")
    key, content = around.text(name), around.text(value)
    deleted = text.startswith("!")

    def step(state: State) -> None:
        member = key if isinstance(key, bytes) else key(state)
        if deleted:
            state.environment.pop(member, None)
        elif member in state.environment or len(state.environment) < _MOST:
            state.environment[member] = content if isinstance(content, bytes) else content(state)

    draft.steps.append(step)
