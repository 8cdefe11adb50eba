"""FILES and its like: what was uploaded, by the name of the form's field."""

from collections.abc import Sequence

from waf.state import Pair, State


def names_of_files(state: State) -> Sequence[Pair]:
    """FILES: the client's names of the files."""
    return [(file.field, file.name) for file in state.body_values.files]


def fields(state: State) -> Sequence[Pair]:
    """FILES_NAMES: the names of the form's fields."""
    return [(file.field, file.field) for file in state.body_values.files]


def sizes(state: State) -> Sequence[Pair]:
    """FILES_SIZES, bytes."""
    return [(file.field, b"%d" % len(file.content)) for file in state.body_values.files]


def contents(state: State) -> Sequence[Pair]:
    """FILES_TMP_CONTENT."""
    return [(file.field, file.content) for file in state.body_values.files]


def combined_size(state: State) -> bytes:
    """FILES_COMBINED_SIZE, bytes."""
    return b"%d" % sum(len(file.content) for file in state.body_values.files)
