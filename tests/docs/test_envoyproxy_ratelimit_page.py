"""The page for those who come from envoyproxy/ratelimit, held to the code."""

import re

from prometheus_client.parser import text_string_to_metric_families

from callout.config.settings import Settings
from callout.config.settings import load as load_settings
from gatewright.run.er.environment import VARIABLES
from gatewright.run.er.flag import FROM_ENVIRONMENT, ErRatelimit, read_er
from gatewright.run.er_pages import er_pages
from gatewright.run.options import extras
from ratelimit.decide import Answer, Verdict
from ratelimit.er.prometheus import MOST, exposition
from ratelimit.er.stats import CONFIG_LOAD, STATISTICS, ErStats, Statistic, statsd_name
from ratelimit.er.sums import ErSums, Growth
from ratelimit.limits import SECOND, Limit
from ratelimit.plan import Group, Plan
from tests.docs import pages

PAGE = "docs/envoyproxy-ratelimit.md"


def test_the_environment_of_the_quick_start_is_one_that_is_followed() -> None:
    block = next(each for each in pages.blocks(PAGE) if each.kind == "picture")
    environ = dict(
        word.split("=", 1) for word in block.text.replace("export", "").split() if "=" in word
    )
    found = read_er(FROM_ENVIRONMENT, environ, {})

    assert len(environ) == 7
    assert isinstance(found, ErRatelimit)
    assert found.folder == "/data/ratelimit/config"
    settings = found.settings(load_settings(None, found.environ(environ), {}))
    assert isinstance(settings, Settings)
    assert found.warnings(settings) == ()
    assert f"gRPC at port {settings.listen.grpc.rpartition(':')[2]}" in pages.read(PAGE)


def test_what_refusals_have_more_than_there_is_taken_away_by_what_the_page_says() -> None:
    words = re.findall(r"`(GATEWRIGHT_ANSWERS__\w+)=(\w+)`", pages.read(PAGE))
    found = read_er("/folder", dict(words), {})

    assert isinstance(found, ErRatelimit)
    settings = found.settings(load_settings(None, found.environ(dict(words)), {}))
    assert isinstance(settings, Settings)
    made = extras(settings.answers)
    assert (made.always, made.retry_after) == (False, False)
    limit = Limit(1, SECOND)
    refused = Answer(True, (Verdict(True, limit, 0, 1),), limit=limit)
    assert made.of(Plan((Group(),)), refused) == b""


def test_the_table_of_the_environment_is_the_code_s() -> None:
    rows = pages.table(PAGE, "er-environment")

    assert [(pages.code(name)[0], use, what) for name, use, what in rows] == [
        (each.name, each.use, shown(each.use, each.what)) for each in VARIABLES
    ]


def test_the_table_of_statistics_is_what_is_sent() -> None:
    rules = [statsd_name(Statistic("DOMAIN.KEY", each, 1)) for each in STATISTICS]
    others = [name for name, _ in ErStats().counters()]
    others += {each.name for each in ErStats().timed()}
    others += [f"{CONFIG_LOAD}{result}" for result in ("success", "error")]

    written = [pages.code(name)[0] for name, _ in pages.table(PAGE, "er-statistics")]
    assert sorted(written) == sorted([*rules, *others])


def test_the_table_of_the_debug_port_is_what_is_added() -> None:
    added = [page.path for page in er_pages(str, str) if page.text is not None]

    written = [pages.code(path)[0] for path, _ in pages.table(PAGE, "er-debug")]
    assert written == ["/", *added]


def test_the_list_of_the_debug_port_has_the_pages_of_the_admin_port() -> None:
    ours = {page.path for page in er_pages(str, str) if page.text is None}

    written = {pages.code(path)[0] for path, _ in pages.table("docs/operations.md", "admin")}
    assert ours == written


def test_the_table_for_prometheus_is_what_is_shown() -> None:
    sums, stats = ErSums(), ErStats()
    stats.rows["DOMAIN.a.b"] = [1] * len(STATISTICS)
    sums.add(Growth(stats).of_rules(["DOMAIN.a.b"]))
    found = {}
    for family in text_string_to_metric_families(exposition(sums, {}).decode()):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[family.name] = (family.type, labels)

    written = {
        pages.code(name)[0]: (type_, set(pages.code(labels)))
        for name, type_, labels, _ in pages.table(PAGE, "er-prometheus")
    }
    assert written == found
    assert f"At most {MOST:,} combinations" in pages.read(PAGE)


def shown(use: str, what: str) -> str:
    """A setting or a variable is code, unless it is a word of ours."""
    return f"`{what}`" if use == "beside" or (use == "used" and " " not in what) else what
