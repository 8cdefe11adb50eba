"""The directives that ModSecurity's and Coraza's recommended files begin with are taken as is."""

from callout.config.problems import Rejected
from waf.load import load
from waf.rules import RuleSet
from waf.seclang.parse import parse
from waf.seclang.syntax import Program

RECOMMENDED = r"""
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRule REQUEST_HEADERS:Content-Type "^(?:application(?:/soap\+|/)|text/)xml" \
     "id:'200000',phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecRequestBodyInMemoryLimit 131072
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecRule &ARGS "@ge 1000" \
"id:'200007', phase:2,t:none,log,deny,status:400,msg:'Too many',severity:2"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" \
"id:'200003',phase:2,t:none,log,deny,status:400, \
msg:'Multipart request body failed strict validation: \
PE %{REQBODY_PROCESSOR_ERROR}, \
FL %{MULTIPART_FILE_LIMIT_EXCEEDED}'"
SecRule REQBODY_ERROR "!@eq 0" \
    "id:'200002',phase:2,t:none,log,deny,status:400, \
    msg:'Failed to parse."
SecPcreMatchLimit 1000
SecPcreMatchLimitRecursion 1000
SecRule TX:/^MSC_/ "!@streq 0" \
        "id:'200005',phase:2,t:none,deny,msg:'Flagged: %{MATCHED_VAR_NAME}'"
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml
SecResponseBodyLimit 524288
SecResponseBodyLimitAction ProcessPartial
SecTmpDir /tmp/
SecDataDir /tmp/
SecAuditEngine RelevantOnly
SecAuditLogRelevantStatus "^(?:5|4(?!04))"
SecAuditLogParts ABIJDEFHZ
SecAuditLogType Serial
SecAuditLogFormat Native
SecAuditLog /var/log/modsec_audit.log
SecArgumentSeparator &
SecCookieFormat 0
SecUnicodeMapFile unicode.mapping 20127
SecStatusEngine Off
"""


def test_they_load_and_what_does_nothing_is_warned_about() -> None:
    files = {"recommended.conf": RECOMMENDED.encode()}
    loaded = load("recommended.conf", files)
    assert isinstance(loaded, RuleSet), loaded
    program = parse("recommended.conf", files)
    assert isinstance(program, Program)
    assert [warning.path for warning in program.warnings] == [
        "SecRule",
        "SecTmpDir",
        "SecDataDir",
        "SecAuditLogType",
        "SecAuditLog",
    ]


def test_a_status_that_is_no_expression_is_told_at_its_line() -> None:
    loaded = load("r.conf", {"r.conf": b'\nSecAuditLogRelevantStatus "^(4"'})
    assert isinstance(loaded, Rejected)
    assert str(loaded.problems[0]).startswith("r.conf:2:1: SecAuditLogRelevantStatus needs a ")
