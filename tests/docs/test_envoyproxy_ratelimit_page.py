"""The page for those who come from envoyproxy/ratelimit, held to the code."""

from gatewright.run.er_environment import VARIABLES
from ratelimit.er_stats import STATISTICS, ErStats, Statistic, statsd_name
from tests.docs import pages

PAGE = "docs/envoyproxy-ratelimit.md"


def test_the_table_of_the_environment_is_the_code_s() -> None:
    rows = pages.table(PAGE, "er-environment")

    assert [(pages.code(name)[0], use, what) for name, use, what in rows] == [
        (each.name, each.use, shown(each.use, each.what)) for each in VARIABLES
    ]


def test_the_table_of_statistics_is_what_is_sent() -> None:
    rules = [statsd_name(Statistic("DOMAIN.KEY", each, 1)) for each in STATISTICS]
    others = [name for name, _ in ErStats().counters()]

    written = [pages.code(name)[0] for name, _ in pages.table(PAGE, "er-statistics")]
    assert sorted(written) == sorted([*rules, *others])


def shown(use: str, what: str) -> str:
    """A setting or a variable is code, unless it is a word of ours."""
    return f"`{what}`" if use == "beside" or (use == "used" and " " not in what) else what
