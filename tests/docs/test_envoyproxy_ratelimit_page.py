"""The page for those who come from envoyproxy/ratelimit, held to the code."""

from gatewright.run.er_environment import VARIABLES
from tests.docs import pages

PAGE = "docs/envoyproxy-ratelimit.md"


def test_the_table_of_the_environment_is_the_code_s() -> None:
    rows = pages.table(PAGE, "er-environment")

    assert [(pages.code(name)[0], use, what) for name, use, what in rows] == [
        (each.name, each.use, shown(each.use, each.what)) for each in VARIABLES
    ]


def shown(use: str, what: str) -> str:
    """A setting or a variable is code, unless it is a word of ours."""
    return f"`{what}`" if use == "beside" or (use == "used" and " " not in what) else what
