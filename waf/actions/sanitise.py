"""Values that no log may show: sanitiseArg, sanitiseRequestHeader, sanitiseMatched and the like.

What: `sanitiseArg:password` masks that argument in the audit log; `sanitiseMatched` what the rule
matched. Either spelling, sanitise or sanitize.
Where engines differ: ModSecurity 2 masks only some bytes with sanitiseMatchedBytes; here, whole.
"""

from waf.actions.contract import Action, Around, Draft, needed
from waf.state import State


def named(*collections: str) -> Action:
    """The action that masks a member of some collections by its name."""

    def action(draft: Draft, argument: str | None, around: Around) -> None:
        del around
        name = needed(argument).lower().encode("utf-8", "surrogateescape")

        def step(state: State) -> None:
            state.sanitised.update((collection, name) for collection in collections)

        draft.steps.append(step)

    return action


def matched(draft: Draft, argument: str | None, around: Around) -> None:
    """`sanitiseMatched`."""
    del argument, around

    def step(state: State) -> None:
        if state.matches:
            found = state.matches[-1]
            state.sanitised.add((found.collection, (found.key or b"").lower()))

    draft.steps.append(step)
