"""The starter rules refuse attacks of their five kinds, and let honest clients be."""

import re

import pytest

from callout.config.problems import Rejected
from callout.testing.data import require
from gatewright.bundle import rule_sets
from gatewright.cli.folders import gateway_config
from tests.waf.crs.cases import load as cases
from tests.waf.crs.run import transact
from tests.waf.crs.server import received, refuses
from tests.waf.starter.attacks import VALUES
from tests.waf.starter.benign import CODE, PROSE, REQUESTS
from tests.waf.starter.sending import WAYS, Sent, judged, multipart, post, request, told
from waf.load import load
from waf.rule_files import Levels, compose
from waf.rules import RuleSet
from waf.scores import scores

SHIPPED = gateway_config() / "waf"
NEVER_SENT = {("command", "xml"): b"\nping"}
"""XML has no line ends at the beginning of a text that anybody keeps."""


def starter(levels: Levels) -> RuleSet:
    loaded = load(*compose(rule_sets.base(SHIPPED), [rule_sets.starter(SHIPPED)], levels))
    assert not isinstance(loaded, Rejected), "\n".join(map(str, loaded.problems))
    return loaded


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return starter(Levels(paranoia=1))


def test_every_pattern_is_linear_and_nothing_is_doubted(rules: RuleSet) -> None:
    assert [str(each) for each in rules.warnings] == []


def test_ids_are_those_that_are_documented() -> None:
    ids = [
        int(found)
        for path in sorted(SHIPPED.rglob("*.conf"))
        for found in re.findall(r'[",]id:(\d+)', path.read_text())
    ]

    assert len(ids) == len(set(ids)) > 40
    assert all(1_100_000 <= each <= 1_101_999 for each in ids)


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in VALUES.items() for value in values]
)
def test_an_attack_is_refused_whatever_way_it_comes(
    rules: RuleSet, kind: str, value: bytes
) -> None:
    passed = [
        way
        for way, send in WAYS.items()
        if judged(rules, send(value)).interruption is None
        and not value.startswith(NEVER_SENT.get((kind, way), b"never"))
    ]

    assert passed == []


def test_each_kind_is_told_by_rules_of_its_own(rules: RuleSet) -> None:
    tags = {"sql": "attack-sqli", "script": "attack-xss", "path": "attack-traversal"}
    for kind, tag in {**tags, "command": "attack-command"}.items():
        found = [
            any(tag in match.labels.tags for match in judged(rules, WAYS["json"](value)).matched)
            for value in VALUES[kind]
        ]
        assert sum(found) >= len(found) - 1, kind


FIELDS = [
    (b"user-agent", b"x' or 1=1-- "),
    (b"user-agent", b"() { :; }; /bin/bash -c id"),
    (b"referer", b"https://a.example/?q=<script>alert(1)</script>"),
    (b"x-forwarded-for", b"1' or '1'='1"),
    (b"x-original-url", b"/../../etc/passwd"),
    (b"range", b"bytes=" + b"0-1," * 20 + b"2-3"),
]
ELSEWHERE: dict[str, Sent] = {
    **{
        f"{name.decode()} {value[:9]!r}": request(fields=((name, value),)) for name, value in FIELDS
    },
    "a name of an argument": request(b"/?1%27%20OR%20%271%27%3D%271=x"),
    "a name in JSON": post(b'{"<script>alert(1)</script>": 1}', b"application/json"),
    "a name of a file": multipart(b"x", b"file", b"../../../etc/cron.d/x"),
    "a name of a file that is a tag": multipart(b"x", b"file", b"<img src=x onerror=alert(1)>.png"),
    "a path": request(b"/static/../../../etc/passwd"),
    "an escaped path": request(b"/static/%2e%2e/%2e%2e/etc/passwd"),
    "a path escaped twice": request(b"/static/%252e%252e%252f%252e%252e%252fetc/passwd"),
    "an overlong path": request(b"/static/..%c0%af..%c0%afetc/passwd"),
    "a path with parameters": request(b"/app/..;/manager/html"),
    "a repository": request(b"/.git/config"),
    "settings": request(b"/.env"),
    "a backup": request(b"/config.php.bak"),
    "SQL in a path": request(b"/items/1%20UNION%20SELECT%20a,b%20FROM%20users"),
    "an operator of MongoDB": request(b"/login?user[$ne]=x&password[$gt]="),
    "an operator of MongoDB in JSON": post(b'{"user": {"$ne": null}}', b"application/json"),
    "another response": request(b"/r?to=x%0d%0aSet-Cookie:%20a=b"),
    "TRACE": request(b"/", b"TRACE"),
    "two lengths": request(fields=((b"content-length", b"1"), (b"content-length", b"2"))),
    "length and chunks": request(
        b"/", b"POST", ((b"content-length", b"1"), (b"transfer-encoding", b"chunked"))
    ),
    "a length that is none": request(b"/", b"POST", ((b"content-length", b"1x"),)),
    "UTF-7": post(b"a=+ADw-script", b"application/x-www-form-urlencoded; charset=utf-7"),
    "a zero byte": request(b"/?file=a.php%00.png"),
    "JSON that is none": post(b'{"a": ', b"application/json"),
    "an external entity": post(
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', b"application/xml"
    ),
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_an_attack_elsewhere_is_refused(rules: RuleSet, where: str) -> None:
    assert judged(rules, ELSEWHERE[where]).interruption is not None


@pytest.mark.parametrize("value", [*PROSE, *CODE])
def test_what_people_write_is_let_through(rules: RuleSet, value: str) -> None:
    refused = {
        way: told(transaction)
        for way, send in WAYS.items()
        if way != "query, escaped twice"
        and (transaction := judged(rules, send(value.encode()))).interruption is not None
    }

    assert refused == {}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_of_an_honest_client_is_let_through(rules: RuleSet, name: str) -> None:
    transaction = judged(rules, REQUESTS[name])

    assert told(transaction) == []
    assert transaction.interruption is None


def test_paranoia_and_threshold_mean_what_they_mean_in_crs(rules: RuleSet) -> None:
    code = WAYS["json"](b"see document.location, please")
    assert judged(rules, code).interruption is None
    assert judged(starter(Levels(paranoia=2)), code).interruption is not None

    attack = judged(starter(Levels(inbound=1000)), WAYS["query"](b"1' OR '1'='1"))
    assert attack.interruption is None
    assert 5 <= scores(attack.state.tx).inbound < 1000


def test_attacks_of_the_core_rule_set_s_own_suite_are_known_in_part(
    rules: RuleSet,
) -> None:
    """Most of it are pieces that its patterns name, of which these rules know few."""
    folder = require("crs/tests/regression/tests")
    kinds = ("930", "932", "941", "942")
    asked = known = 0
    for path in sorted(path for path in folder.rglob("*.yaml") if path.stem.startswith(kinds)):
        for case in cases(path):
            for stage in case.stages:
                if stage.wanted.ids and not refuses(stage.sent):
                    asked += 1
                    found = transact(rules, received(stage.sent))
                    known += scores(found.state.tx).inbound >= 5
    assert known > asked / 4
