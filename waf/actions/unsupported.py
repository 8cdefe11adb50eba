"""Actions that are refused by name, with the reason, instead of being left out in silence."""

from waf.actions.contract import Action, ActionProblem, Around, Draft


def refused(reason: str) -> Action:
    """The action that cannot be used."""

    def action(draft: Draft, argument: str | None, around: Around) -> None:
        del draft, argument, around
        raise ActionProblem(reason)

    return action
