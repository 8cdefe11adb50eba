"""What the rule at hand has matched so far, as transformed: MATCHED_VAR and its like."""

from collections.abc import Sequence

from waf.state import Pair, State


def value(state: State) -> bytes:
    """MATCHED_VAR: the last."""
    return state.matches[-1].value if state.matches else b""


def name(state: State) -> bytes:
    """MATCHED_VAR_NAME: `ARGS:q`."""
    return state.matches[-1].name if state.matches else b""


def values(state: State) -> Sequence[Pair]:
    """MATCHED_VARS: all of the rule and of the links of its chain before this one."""
    return [(found.name, found.value) for found in state.matches]


def names(state: State) -> Sequence[Pair]:
    """MATCHED_VARS_NAMES."""
    return [(found.name, found.name) for found in state.matches]
