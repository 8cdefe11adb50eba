"""How a rule matches: capture, multiMatch, t, xmlns.

What: `t:lowercase` transforms values before they are tested, in the order written, `t:none` forgets
those before it; `multiMatch` tests a value before and after each transformation that changed it;
`capture` puts what matched into TX.0, and its groups into TX.1 to TX.9.
Where engines differ: Coraza's rx captures only with `capture`; so it is here.
"""

from waf.actions.contract import ActionProblem, Around, Draft, needed


def capture(draft: Draft, argument: str | None, around: Around) -> None:
    """`capture`."""
    del argument, around
    draft.capture = True


def multi_match(draft: Draft, argument: str | None, around: Around) -> None:
    """`multiMatch`."""
    del argument, around
    draft.multi_match = True


def transformation(draft: Draft, argument: str | None, around: Around) -> None:
    """`t:urlDecodeUni`."""
    name = needed(argument).lower()
    if name == "none":
        draft.transformations.clear()
    elif around.known_transformation(name):
        draft.transformations.append(name)
    else:
        raise ActionProblem(f"there is no transformation {needed(argument)}")


def namespace(draft: Draft, argument: str | None, around: Around) -> None:
    """`xmlns:soap=http://...`: only XPath expressions would need it, and there are none."""
    del draft, argument, around
