"""FILES and its like: what was uploaded, by the name of the form's field."""

from collections.abc import Sequence

from waf.state import Pair, State


def names_of_files(state: State) -> Sequence[Pair]:
    """FILES: the client's names of the files."""
    return [
        (field, name)
        for file in state.body_values.files
        for field in file.fields
        for name in file.names
    ]


def fields(state: State) -> Sequence[Pair]:
    """FILES_NAMES: the names of the form's fields."""
    return [(field, field) for file in state.body_values.files for field in file.fields]


def sizes(state: State) -> Sequence[Pair]:
    """FILES_SIZES, bytes."""
    return [(file.fields[0], b"%d" % len(file.content)) for file in state.body_values.files]


def contents(state: State) -> Sequence[Pair]:
    """FILES_TMP_CONTENT."""
    return [(file.fields[0], file.content) for file in state.body_values.files]


def combined_size(state: State) -> bytes:
    """FILES_COMBINED_SIZE, bytes."""
    return b"%d" % sum(len(file.content) for file in state.body_values.files)
