"""The audit log: which transactions, in both formats, and that it holds no secrets."""

import json

import pytest

from callout.config.problems import Rejected
from callout.http.head import RequestHead
from tests.waf.engine import head, rules, run
from waf.audit.json_line import json_line
from waf.audit.native import native
from waf.audit.record import record
from waf.audit.relevance import relevant
from waf.load import load
from waf.transaction import Transaction

LOUD = (
    "SecComponentSignature CRS/4\nSecAuditEngine RelevantOnly\nSecAuditLogParts ABFHZ\n"
    'SecRule ARGS "@rx attack" "id:7,phase:1,deny,log,msg:\'Found one\','
    "logdata:'%{MATCHED_VAR_NAME}=%{MATCHED_VAR}',severity:CRITICAL,tag:'t1',tag:'t2',ver:'v1'\"\n"
)
EVERY = 'SecRule %s "@rx (?s).*hush.*" "id:7,phase:2,pass,log,capture,%slogdata:\'%%{TX.0}\'"\n'


def audited(text: str = LOUD, request: RequestHead | None = None, body: bytes = b"") -> Transaction:
    return run(rules(text), request or head(b"/p?q=an+attack"), body)


def test_a_json_line_says_who_asked_what_and_which_rule_refused() -> None:
    line = json_line(record(audited()))

    found = json.loads(line)["transaction"]
    assert "\n" not in line
    assert found["unique_id"] == "unique-1"
    assert (found["client_ip"], found["client_port"]) == ("192.0.2.7", 40000)
    assert found["request"]["uri"] == "/p?q=an+attack"
    assert found["request"]["headers"] == [["host", "example.com"]]
    assert found["interruption"] == {"action": "deny", "status": 403, "rule": 7}
    assert found["messages"][0]["message"] == "Found one"
    details = found["messages"][0]["details"]
    assert (details["ruleId"], details["lineNumber"], details["data"]) == (
        "7",
        "7",
        "ARGS:q=an attack",
    )
    assert (details["severity"], details["tags"]) == ("2", ["t1", "t2"])


def test_the_native_format_has_the_sections_that_were_asked_for() -> None:
    lines = native(record(audited())).splitlines()

    assert lines[:2] == [
        "--unique1-A--",
        "[14/Nov/2023:22:13:20 +0000] unique-1 192.0.2.7 40000 198.51.100.1 443",
    ]
    assert "GET /p?q=an+attack HTTP/1.1" in lines
    assert (
        'Message: Matched ARGS:q. [file "main.conf"] [line "7"] [id "7"] [msg "Found one"] '
        '[data "ARGS:q=an attack"] [severity "CRITICAL"] [ver "v1"] [tag "t1"] [tag "t2"]'
    ) in lines
    assert "Action: Intercepted (deny, 403 by rule 7)" in lines
    assert "Producer: CRS/4" in lines
    assert [line for line in lines if line.startswith("--")] == [
        f"--unique1-{part}--" for part in "ABHZ"
    ]


def test_nobody_forges_a_line_or_a_section() -> None:
    request = head(b"/p?q=attack%0a--unique1-Z--%0d%0a%22]", fields=((b"x", b"a\x1b[2Jb"),))
    found = record(audited(request=request))

    lines = native(found).splitlines()
    assert sum(line.startswith("--unique1-Z--") for line in lines) == 1
    assert any('[data "ARGS:q=attack\\\\n--unique1-Z--\\\\r\\\\n\\"]"]' in line for line in lines)
    assert "\x1b" not in native(found) + json_line(found)


@pytest.mark.parametrize(
    ("target", "request_", "body"),
    [
        ("ARGS:password", head(b"/?password=hush"), b""),
        ("ARGS:token", head(b"/?token=hush"), b""),
        ("REQUEST_HEADERS:authorization", head(fields=((b"authorization", b"hush"),)), b""),
        ("REQUEST_COOKIES", head(fields=((b"cookie", b"sid=hush"),)), b""),
        (
            "REQUEST_BODY",
            head(b"/", b"POST", ((b"content-type", b"application/x-www-form-urlencoded"),)),
            b"a=hush",
        ),
        ("QUERY_STRING", head(b"/?x=1&password=hush"), b""),
        ("REQUEST_LINE", head(b"/?x=1&access_token=hush"), b""),
        ("ARGS", head(b"/?passw%6Frd=hush"), b""),
        ("QUERY_STRING", head(b"/?x=1&pin=hush"), b""),
        ("REQUEST_URI", head(b"/?x=1&p%69n=hush"), b""),
        (
            "ARGS",
            head(b"/", b"POST", ((b"content-type", b"application/x-www-form-urlencoded"),)),
            b"user[pin]=hush&json.user.pin=hush",
        ),
    ],
)
def test_secrets_are_masked_unless_they_are_to_be_shown(
    target: str, request_: RequestHead, body: bytes
) -> None:
    found = audited(EVERY % (target, ""), request_, body)

    assert [match.labels.id for match in found.matched] == [7]
    for line in (json_line(record(found)), native(record(found))):
        assert "hush" not in line
    assert "hush" in json_line(record(found, show_secrets=True))


def test_what_a_rule_masks_is_masked_even_where_secrets_are_shown() -> None:
    found = audited(EVERY % ("ARGS:plain", "sanitiseArg:plain,"), head(b"/?plain=hush"))

    assert "hush" not in json_line(record(found, show_secrets=True))


def test_long_values_are_cut() -> None:
    found = audited(
        request=head(b"/?q=attack" + b"x" * 100_000, fields=((b"a", b"y" * 70_000),) * 200)
    )

    assert len(json_line(record(found))) < 80_000


@pytest.mark.parametrize(
    ("more", "target", "wanted"),
    [
        ("", b"/?q=attack", True),
        ("", b"/?q=fine", False),
        ("SecAuditEngine On\n", b"/?q=fine", True),
        ("SecAuditEngine Off\n", b"/?q=attack", False),
        ("SecAuditLogRelevantStatus ^2\n", b"/?q=fine", True),
        ("SecAuditLogRelevantStatus ^5\n", b"/?q=fine", False),
    ],
)
def test_the_log_wants_what_the_rule_files_say(more: str, target: bytes, wanted: bool) -> None:
    loaded = rules(LOUD + more)

    assert relevant(run(loaded, head(target))) is wanted


def test_ctl_turns_the_log_off_for_one_request() -> None:
    loaded = rules('SecAction "id:1,phase:1,pass,nolog,ctl:auditEngine=Off"\n' + LOUD)

    assert not relevant(run(loaded, head(b"/?q=attack")))


def test_a_rule_without_auditlog_is_not_in_it() -> None:
    found = audited(LOUD.replace("deny,log,", "pass,log,noauditlog,"), head(b"/?q=attack"))

    assert record(found).matches == ()


def test_ctl_changes_the_parts() -> None:
    text = LOUD.replace("deny,", "deny,ctl:auditLogParts=-BF,")

    assert record(audited(text)).parts == "AHZ"


def test_parts_that_no_log_has_are_a_mistake() -> None:
    loaded = load("main.conf", {"main.conf": b"SecAuditLogParts ABQ\n"})

    assert isinstance(loaded, Rejected)
    assert "needs letters from A to K, or Z" in str(loaded.problems[0])
