"""The operators by the names that follow `@`, in lower case."""

from collections.abc import Mapping
from typing import Final

from waf.operators.always import no_match, unconditional_match
from waf.operators.begins_with import begins_with
from waf.operators.contains import contains
from waf.operators.contains_word import contains_word
from waf.operators.contract import Operator
from waf.operators.detect_sqli import detect_sqli
from waf.operators.detect_xss import detect_xss
from waf.operators.ends_with import ends_with
from waf.operators.ip_match import ip_match, ip_match_from_dataset, ip_match_from_file
from waf.operators.numbers import eq, ge, gt, le, lt
from waf.operators.pm import pm, pm_from_dataset, pm_from_file
from waf.operators.restpath import restpath
from waf.operators.rx import rx
from waf.operators.rx_global import rx_global
from waf.operators.streq import streq
from waf.operators.validate_byte_range import validate_byte_range
from waf.operators.validate_nid import validate_nid
from waf.operators.validate_url_encoding import validate_url_encoding
from waf.operators.validate_utf8_encoding import validate_utf8_encoding
from waf.operators.verify_cc import verify_cc
from waf.operators.verify_cpf import verify_cpf
from waf.operators.verify_ssn import verify_ssn
from waf.operators.verify_svnr import verify_svnr
from waf.operators.within import within

OPERATORS: Final[Mapping[str, Operator]] = {
    "beginswith": begins_with,
    "contains": contains,
    "containsword": contains_word,
    "detectsqli": detect_sqli,
    "detectxss": detect_xss,
    "endswith": ends_with,
    "eq": eq,
    "ge": ge,
    "gt": gt,
    "ipmatch": ip_match,
    "ipmatchf": ip_match_from_file,
    "ipmatchfromdataset": ip_match_from_dataset,
    "ipmatchfromfile": ip_match_from_file,
    "le": le,
    "lt": lt,
    "nomatch": no_match,
    "pm": pm,
    "pmf": pm_from_file,
    "pmfromdataset": pm_from_dataset,
    "pmfromfile": pm_from_file,
    "restpath": restpath,
    "rx": rx,
    "rxglobal": rx_global,
    "streq": streq,
    "strmatch": contains,
    "unconditionalmatch": unconditional_match,
    "validatebyterange": validate_byte_range,
    "validatenid": validate_nid,
    "validateurlencoding": validate_url_encoding,
    "validateutf8encoding": validate_utf8_encoding,
    "verifycc": verify_cc,
    "verifycpf": verify_cpf,
    "verifyssn": verify_ssn,
    "verifysvnr": verify_svnr,
    "within": within,
}
"""Those that are known and not here stand in `refused.py`."""
