"""What rules do to a request: phases, chains, captures, flow, verdicts, limits, the budget."""

import itertools
from collections.abc import Callable, Sequence

import pytest

from callout.http.head import Headers, ResponseHead
from tests.waf.engine import PEER, head, ids, rules, run, tx
from waf.interruption import Interruption
from waf.nomination import Findings
from waf.transaction import Budget, Transaction

FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)


def test_a_rule_that_matches_refuses_with_its_status() -> None:
    found = run(
        rules('SecRule ARGS:q "@contains attack" "id:1,phase:1,deny,status:418"'),
        head(b"/?q=an+attack"),
    )

    assert found.interruption == Interruption("deny", 418, 1, 1)


def test_nothing_runs_after_an_interruption_but_phase_5() -> None:
    found = run(
        rules(
            'SecAction "id:1,phase:1,deny"\nSecAction "id:2,phase:1,pass"\n'
            'SecAction "id:3,phase:2,pass"\nSecAction "id:5,phase:5,pass"'
        )
    )

    assert ids(found) == [1, 5]


def test_rules_run_by_phase_and_then_in_the_order_of_the_files() -> None:
    text = "\n".join(
        f'SecAction "id:{number},phase:{phase},pass"'
        for number, phase in enumerate((5, 2, 1, 4, 3, 1, 2), 1)
    )

    assert ids(run(rules(text))) == [3, 6, 2, 7, 5, 4, 1]


def test_detection_only_refuses_nothing_and_tells_what_it_would_have() -> None:
    found = run(
        rules(
            "SecRuleEngine DetectionOnly\n"
            'SecAction "id:1,phase:1,deny,status:401"\nSecAction "id:2,phase:1,drop"\n'
            'SecAction "id:3,phase:1,allow"\nSecAction "id:4,phase:2,pass"'
        )
    )

    assert found.interruption is None
    assert found.shadow == Interruption("deny", 401, 1, 1)
    assert ids(found) == [1, 2, 3, 4]


def test_an_engine_that_is_off_runs_nothing() -> None:
    assert ids(run(rules('SecRuleEngine Off\nSecAction "id:1,phase:1,deny"'))) == []


def test_the_engine_is_off_until_it_is_turned_on() -> None:
    loaded = rules('SecAction "id:1,phase:1,deny"\nSecRuleEngine Off')

    assert run(loaded).interruption is None


def test_a_chain_matches_when_all_of_its_links_do() -> None:
    loaded = rules(
        'SecRule ARGS:a "@streq 1" "id:1,phase:1,deny,chain"\n'
        'SecRule ARGS:b "@streq 2" "chain"\n'
        'SecRule ARGS:c "@streq 3"'
    )

    assert run(loaded, head(b"/?a=1&b=2&c=3")).interruption is not None
    assert run(loaded, head(b"/?a=1&b=2&c=4")).interruption is None
    assert run(loaded, head(b"/?b=2&c=3")).interruption is None


def test_what_a_link_writes_is_written_though_the_chain_breaks() -> None:
    loaded = rules(
        'SecRule ARGS:a "@streq 1" "id:1,phase:1,pass,setvar:tx.head=1,chain"\n'
        'SecRule ARGS:b "@streq 2" "setvar:tx.link=1"'
    )

    found = run(loaded, head(b"/?a=1&b=3"))

    assert (tx(found, "head"), tx(found, "link"), ids(found)) == (b"1", None, [])


def test_actions_run_for_each_value_that_matches() -> None:
    found = run(
        rules(
            'SecRule ARGS "@contains x" "id:1,phase:1,pass,setvar:tx.hits=+1,'
            'setvar:tx.last=%{MATCHED_VAR_NAME}"'
        ),
        head(b"/?a=x&b=y&c=xx"),
    )

    assert (tx(found, "hits"), tx(found, "last"), ids(found)) == (b"2", b"ARGS:c", [1])


def test_a_negated_operator_matches_the_values_that_it_would_not() -> None:
    loaded = rules('SecRule ARGS "!@rx ^[0-9]+$" "id:1,phase:1,deny"')

    assert run(loaded, head(b"/?a=1&b=2")).interruption is None
    assert run(loaded, head(b"/?a=1&b=x")).interruption is not None
    assert run(loaded, head(b"/")).interruption is None  # nothing to test


def test_captures_are_tx_0_to_9_until_others_take_their_place() -> None:
    found = run(
        rules(
            'SecRule ARGS:a "@rx ^(.)(.)(x)?$" "id:1,phase:1,pass,capture,'
            'setvar:tx.one=%{tx.1}%{tx.2}%{tx.0}"\n'
            'SecRule ARGS:b "@rx ^.$" "id:2,phase:1,pass,capture"'
        ),
        head(b"/?a=yz&b=q"),
    )

    assert tx(found, "one") == b"yzyz"
    assert [tx(found, name) for name in "012"] == [b"q", None, None]


def test_without_capture_nothing_is_captured() -> None:
    found = run(rules('SecRule ARGS:a "@rx ^(.)" "id:1,phase:1,pass"'), head(b"/?a=x"))

    assert tx(found, "0") is None


def test_transformations_change_what_is_tested_and_what_is_told() -> None:
    found = run(
        rules(
            'SecRule ARGS:a "@streq ab" "id:1,phase:1,pass,t:none,t:lowercase,t:removeWhitespace"'
        ),
        head(b"/?a=A%20B"),
    )

    assert [each.value for each in found.matched[0].found] == [b"ab"]


def test_multi_match_tests_every_step_that_changed_a_value() -> None:
    text = (
        'SecRule ARGS:a "@rx ." "id:1,phase:1,pass,setvar:tx.n=+1,'
        't:none,t:lowercase,t:uppercase,t:trim%s"'
    )

    assert tx(run(rules(text % ",multiMatch"), head(b"/?a=Ab")), "n") == b"3"
    assert tx(run(rules(text % ""), head(b"/?a=Ab")), "n") == b"1"


def test_skip_leaves_out_rules_of_its_phase_and_a_chain_is_one() -> None:
    found = run(
        rules(
            'SecAction "id:1,phase:1,pass,skip:2"\n'
            'SecAction "id:2,phase:2,pass"\n'
            'SecRule ARGS "@rx ." "id:3,phase:1,pass,chain"\nSecRule ARGS "@rx ."\n'
            'SecAction "id:4,phase:1,pass"\nSecAction "id:5,phase:1,pass"'
        ),
        head(b"/?a=1"),
    )

    assert ids(found) == [1, 5, 2]


@pytest.mark.parametrize(("end", "left"), [("END", [1, 4]), ("3", [1, 4])])
def test_skip_after_goes_on_behind_a_marker_or_a_rule(end: str, left: list[int]) -> None:
    text = (
        f'SecAction "id:1,phase:1,pass,skipAfter:{end}"\nSecAction "id:2,phase:1,pass"\n'
        'SecAction "id:3,phase:1,pass"\nSecMarker END\nSecAction "id:4,phase:1,pass"'
    )

    assert ids(run(rules(text))) == left


def test_allow_ends_all_phases_but_the_last() -> None:
    text = (
        'SecAction "id:1,phase:1,%s"\nSecAction "id:2,phase:1,pass"\n'
        'SecAction "id:3,phase:2,pass"\n'
        'SecAction "id:4,phase:3,pass"\nSecAction "id:5,phase:5,pass"'
    )

    assert ids(run(rules(text % "allow"))) == [1, 5]
    assert ids(run(rules(text % "allow:phase"))) == [1, 3, 4, 5]
    assert ids(run(rules(text % "allow:request"))) == [1, 4, 5]


def test_block_does_what_the_default_action_says() -> None:
    text = 'SecDefaultAction "phase:1,log,%s"\nSecAction "id:1,phase:1,block"'

    assert run(rules(text % "deny,status:429")).interruption == Interruption("deny", 429, 1, 1)
    assert run(rules(text % "pass")).interruption is None


def test_a_redirect_names_where_to() -> None:
    found = run(
        rules('SecAction "id:1,phase:1,redirect:https://example.org/?was=%{REQUEST_URI}"'),
        head(b"/a"),
    )

    assert found.interruption == Interruption("redirect", 302, 1, 1, b"https://example.org/?was=/a")


def test_messages_are_expanded_when_the_whole_chain_has_matched() -> None:
    found = run(
        rules(
            'SecRule ARGS:a "@rx ." "id:1,phase:1,pass,log,msg:\'saw %{ARGS.a}\','
            "logdata:'%{MATCHED_VAR_NAME}=%{MATCHED_VAR}',chain\"\n"
            'SecRule ARGS:b "@rx ."'
        ),
        head(b"/?a=1&b=2"),
    )

    assert (found.matched[0].message, found.matched[0].log_data) == (b"saw 1", b"ARGS:b=2")


def test_nolog_is_told_to_nobody() -> None:
    text = 'SecRule REQUEST_METHOD "@streq GET" "id:%d,phase:1,pass,%s"\n'
    found = run(rules(text % (1, "nolog") + text % (2, "log") + text % (3, "log,noauditlog")))

    told = [(match.logged, match.audited) for match in found.matched]
    assert told == [(False, False), (True, True), (True, False)]


def test_matched_vars_are_those_of_the_chain_so_far_and_of_no_rule_before() -> None:
    found = run(
        rules(
            'SecRule ARGS:a "@rx ." "id:1,phase:1,pass"\n'
            'SecRule ARGS:b|ARGS:c "@rx ." "id:2,phase:1,pass,chain"\n'
            'SecRule MATCHED_VARS "@rx ." "setvar:tx.n=+1"'
        ),
        head(b"/?a=1&b=2&c=3"),
    )

    assert tx(found, "n") == b"2"


def test_the_body_is_seen_in_phase_2_and_not_before() -> None:
    loaded = rules(
        'SecRule ARGS "@streq x" "id:1,phase:1,pass"\nSecRule ARGS "@streq x" "id:2,phase:2,pass"'
    )

    assert ids(run(loaded, head(b"/", b"POST", FORM), b"a=x")) == [2]


def test_a_body_is_not_looked_at_where_access_is_off() -> None:
    loaded = rules(
        'SecAction "id:1,phase:1,pass,nolog,ctl:requestBodyAccess=Off"\n'
        'SecRule ARGS|REQUEST_BODY "@rx x" "id:2,phase:2,pass"'
    )

    assert ids(run(loaded, head(b"/", b"POST", FORM), b"a=x")) == [1]


def test_a_body_over_the_limit_is_refused_or_cut_as_written() -> None:
    text = (
        "SecRequestBodyLimit 4\nSecRequestBodyLimitAction %s\n"
        'SecRule INBOUND_DATA_ERROR "@eq 1" "id:1,phase:2,pass"\n'
        'SecRule ARGS "@streq x" "id:2,phase:2,pass"'
    )
    request = head(b"/", b"POST", FORM)

    assert run(rules(text % "Reject"), request, b"a=x&b=x").interruption == Interruption(
        "deny", 413, None, 2, reason="body-limit"
    )
    cut = run(rules(text % "ProcessPartial"), request, b"a=x&b=x")
    assert (ids(cut), len(cut.matched[1].found)) == ([1, 2], 1)
    assert ids(run(rules(text % "Reject"), request, b"a=x")) == [2]


def test_detection_only_cuts_what_it_would_have_refused() -> None:
    found = run(
        rules(
            "SecRuleEngine DetectionOnly\nSecRequestBodyLimit 4\n"
            'SecRule ARGS "@streq x" "id:1,phase:2,pass"'
        ),
        head(b"/", b"POST", FORM),
        b"a=x&b=x",
    )

    assert (found.interruption, ids(found)) == (None, [1])
    assert found.shadow == Interruption("deny", 413, None, 2, reason="body-limit")


def test_a_body_is_wanted_where_phase_2_will_see_it() -> None:
    def wanted(text: str) -> bool:
        transaction = Transaction(rules(text), b"1", 0.0)
        transaction.request_head(head(), PEER)
        return transaction.wants_request_body()

    assert wanted("")
    assert not wanted("SecRequestBodyAccess Off")
    assert not wanted("SecRuleEngine Off")
    assert not wanted('SecAction "id:1,phase:1,pass,ctl:requestBodyAccess=Off"')
    assert not wanted('SecAction "id:1,phase:1,deny"')


def test_the_first_interruption_stays() -> None:
    transaction = Transaction(
        rules('SecRequestBodyLimit 1\nSecAction "id:1,phase:1,deny"'), b"1", 0.0
    )
    first = transaction.request_head(head(), PEER)

    assert first is not None
    assert transaction.request_body(b"long") == first
    assert transaction.response_head(ResponseHead(200, Headers())) == first
    assert transaction.response_body(b"long") == first


def test_a_body_that_is_long_without_its_files_is_an_error_of_the_body() -> None:
    text = 'SecRequestBodyNoFilesLimit 5\nSecRule REQBODY_ERROR "@eq 1" "id:1,phase:2,pass"'
    form = head(b"/", b"POST", FORM)
    files = head(b"/", b"POST", ((b"content-type", b"multipart/form-data; boundary=b"),))
    part = b'--b\r\nContent-Disposition: form-data; name="a"%s\r\n\r\n12345\r\n--b--\r\n'

    assert ids(run(rules(text), form, b"a=123")) == []
    assert ids(run(rules(text), form, b"a=1234")) == [1]
    assert ids(run(rules(text), files, part % b'; filename="f"')) == []
    assert ids(run(rules(text), files, part % b"")) == [1]


def test_a_body_that_was_cut_on_its_way_is_over_the_limit() -> None:
    transaction = Transaction(rules('SecAction "id:1,phase:2,pass"'), b"1", 0.0)
    transaction.request_head(head(b"/", b"POST", FORM), PEER)

    refused = transaction.request_body(b"a=x", cut=True)

    assert refused is not None
    assert refused.reason == "body-limit"


def test_only_response_bodies_of_some_types_are_seen() -> None:
    transaction = Transaction(rules('SecRule RESPONSE_BODY "@rx ." "id:1,phase:4,pass"'), b"1", 0.0)
    transaction.request_head(head(), PEER)
    transaction.request_body(b"")
    transaction.response_head(ResponseHead(200, Headers([(b"content-type", b"image/png")])))

    assert not transaction.wants_response_body()
    transaction.response_body(b"hello")
    assert ids(transaction) == []


@pytest.mark.parametrize(
    ("engine", "verdict", "refused"),
    [("On", "deny", True), ("On", "pass", False), ("DetectionOnly", "deny", False)],
)
def test_rules_that_take_too_long_end_with_the_verdict_that_was_declared(
    engine: str, verdict: str, refused: bool
) -> None:
    text = f"SecRuleEngine {engine}\n" + "\n".join(
        f'SecRule ARGS "@rx ." "id:{number},phase:1,pass"' for number in range(1, 101)
    )
    clock = itertools.count()
    transaction = Transaction(
        rules(text),
        b"1",
        0.0,
        lambda: next(clock) / 100,
        budget=Budget(0.05, verdict, 504),  # type: ignore[arg-type]
    )

    found = transaction.request_head(head(b"/?a=1"), PEER)

    assert transaction.out_of_time
    assert len(transaction.matched) < 100
    assert (found == Interruption("deny", 504, None, 1, reason="time")) is refused


def test_nomination_is_asked_once_for_a_phase_and_spares_the_rules_that_it_leaves_out() -> None:
    loaded = rules(
        'SecRule ARGS "@rx a" "id:1,phase:1,pass"\nSecRule ARGS "@rx b" "id:2,phase:1,pass"\n'
        'SecAction "id:3,phase:1,pass,skipAfter:END"\nSecAction "id:4,phase:1,pass"\n'
        'SecMarker END\nSecAction "id:5,phase:1,pass"'
    )
    asked: list[tuple[int, list[bytes]]] = []

    def nominate(phase: int, values: Findings, look: Callable[[], None]) -> Sequence[int]:
        del look
        group = loaded.phases[1][0].group
        assert group is not None
        asked.append((phase, [found.value for part in values.parts(group) for found in part]))
        return (1, 2, 3, 4)

    transaction = Transaction(loaded, b"1", 0.0, nominate=nominate)
    transaction.request_head(head(b"/?q=ab"), PEER)

    assert (ids(transaction), asked) == ([2, 3, 5], [(1, [b"ab"])])


def test_directives_are_read() -> None:
    settings = rules(
        "SecArgumentsLimit 7\n"
        "SecResponseBodyMimeTypesClear\nSecResponseBodyMimeType text/a TEXT/B\n"
        "SecComponentSignature one\nSecComponentSignature two"
    ).settings

    assert settings.engine == "on"
    assert settings.arguments_limit == 7
    assert settings.response_body_types == {b"text/a", b"text/b"}
    assert settings.signature == b"one; two"
