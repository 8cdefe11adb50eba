"""Where the rules go on: chain, skip, skipAfter.

What: `skip:2` leaves out the next two rules of the phase, a chain being one; `skipAfter:END` those
up to the SecMarker, or the rule id, of that name. A name that never comes ends the phase.
Where engines differ: ModSecurity 3 and Coraza know only markers.
"""

from waf.actions.contract import Around, Draft, needed, whole_number


def chain(draft: Draft, argument: str | None, around: Around) -> None:
    """`chain`: the parser has already hung the links onto this rule."""
    del draft, argument, around


def skip(draft: Draft, argument: str | None, around: Around) -> None:
    """`skip:2`."""
    del around
    draft.skip = whole_number(argument, 1, 100_000)


def skip_after(draft: Draft, argument: str | None, around: Around) -> None:
    """`skipAfter:END-CHECKS`."""
    del around
    draft.skip_after = needed(argument)
