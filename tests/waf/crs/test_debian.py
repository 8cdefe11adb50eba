"""CRS 3.3.4 as Debian packages it: it loads whole, and judges as CRS does."""

from dataclasses import replace

import pytest

from callout.config.problems import Rejected
from tests.waf import debian_crs
from tests.waf.crs.cases import Sent
from tests.waf.crs.run import transact
from waf.load import load
from waf.rules import RuleSet
from waf.scores import scores

PLAIN = Sent(
    b"GET",
    b"/",
    b"HTTP/1.1",
    ((b"Host", b"example.com"), (b"User-Agent", b"Mozilla/5.0"), (b"Accept", b"*/*")),
    b"",
)


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    files = debian_crs.require()
    files["waf.conf"] = (
        b"SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n"
        + files["main.conf"]
    )
    loaded = load("waf.conf", files)
    assert not isinstance(loaded, Rejected), "\n".join(map(str, loaded.problems))
    return loaded


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        (b"/?id=1%27%20OR%201%3D1%20UNION%20SELECT%20password%20FROM%20users--%20", 942100),
        (b"/?q=%3Cscript%3Ealert(1)%3C/script%3E", 941100),
        (b"/?file=../../../../etc/passwd", 930120),
        (b"/?c=%3Bcat%20/etc/passwd", 932160),
    ],
)
def test_an_attack_is_refused_by_its_score(rules: RuleSet, target: bytes, rule: int) -> None:
    found = transact(rules, replace(PLAIN, target=target))

    assert rule in [match.labels.id for match in found.matched]
    assert found.interruption is not None
    assert (found.interruption.rule, found.interruption.status) == (949110, 403)
    assert scores(found.state.tx).inbound >= 5


def test_a_plain_request_is_let_through(rules: RuleSet) -> None:
    found = transact(rules, replace(PLAIN, target=b"/shop?item=blue+shirt&size=42"))

    assert found.interruption is None
    assert scores(found.state.tx) == (0, 0)
