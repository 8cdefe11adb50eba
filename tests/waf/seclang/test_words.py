"""Words, escapes and joined lines; variables, operators and actions as written in them."""

import pytest

from waf.seclang.parse import parse
from waf.seclang.syntax import ActionCall, Marker, OperatorCall, Program, Rule, Setting, Target


def read(text: str) -> Program:
    found = parse("r.conf", {"r.conf": text.encode()})
    assert isinstance(found, Program), found
    return found


def rule(text: str) -> Rule:
    (item,) = read(text).items
    assert isinstance(item, Rule)
    return item


def targets(text: str) -> tuple[Target, ...]:
    return rule(f'SecRule {text} "@rx a" "id:1"').targets


def operator(text: str) -> OperatorCall:
    found = rule(f'SecRule ARGS {text} "id:1"').operator
    assert found is not None
    return found


def actions(text: str) -> tuple[ActionCall, ...]:
    return rule(f'SecAction "id:1,{text}"').actions[1:]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ARGS", [Target("ARGS")]),
        ("args", [Target("ARGS")]),
        ('"ARGS | !ARGS:a"', [Target("ARGS"), Target("ARGS", "a", kind="except")]),
        ("ARGS,&ARGS:a", [Target("ARGS"), Target("ARGS", "a", kind="count")]),
        ("ARGS:/a|b,c/|TX", [Target("ARGS", "a|b,c", pattern=True), Target("TX")]),
        (r"ARGS:/a\/b/", [Target("ARGS", r"a\/b", pattern=True)]),
        ("\"ARGS:'/a b/x/'\"", [Target("ARGS", "a b/x", pattern=True)]),
        ("ARGS:'a|b'", [Target("ARGS", "a|b")]),
        ("ARGS:'it\\'s'", [Target("ARGS", "it's")]),
        ("ARGS:a:b.c", [Target("ARGS", "a:b.c")]),
        ("ARGS:", [Target("ARGS")]),
        ("XML:/*|XML://@*", [Target("XML", "/*"), Target("XML", "//@*")]),
        ("!XML", [Target("XML", kind="except")]),
    ],
)
def test_variables(written: str, meant: list[Target]) -> None:
    assert targets(written) == tuple(meant)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"@rx ^a b$"', OperatorCall("rx", "^a b$")),
        ('"^a b$"', OperatorCall("rx", "^a b$")),
        ('"!^a"', OperatorCall("rx", "^a", negated=True)),
        ('"!@PmFromFile  x.data"', OperatorCall("pmfromfile", "x.data", negated=True)),
        ('" ! @streq  a  "', OperatorCall("streq", "a  ", negated=True)),
        ("@detectSQLi", OperatorCall("detectsqli", "")),
        ("'@streq a\"b'", OperatorCall("streq", 'a"b')),
        (r'"@streq a\"b"', OperatorCall("streq", 'a"b')),
        (r'"@rx a\\b\.c\x5c"', OperatorCall("rx", r"a\\b\.c\x5c")),
        (r'"@rx a\\" ', OperatorCall("rx", r"a\\")),
        ('"a@b"', OperatorCall("rx", "a@b")),
        ('""', OperatorCall("rx", "")),
        ('"@pm a \\\n     b"', OperatorCall("pm", "a b")),
    ],
)
def test_operators(written: str, meant: OperatorCall) -> None:
    assert operator(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("PASS,multimatch", [("pass", None), ("multimatch", None)]),
        ("msg:'a, b: c'", [("msg", "a, b: c")]),
        ("msg:a b c , pass", [("msg", "a b c"), ("pass", None)]),
        (r"msg:'it\'s', pass", [("msg", "it's"), ("pass", None)]),
        ("msg:it's", [("msg", "it's")]),
        ("pass,msg:'not closed", [("pass", None), ("msg", "not closed")]),
        (r"msg:a\, b,pass", [("msg", "a, b"), ("pass", None)]),
        (r"msg:'a\\b\d'", [("msg", r"a\\b\d")]),
        (r"msg:'a \"b\"'", [("msg", 'a "b"')]),
        (
            "setvar:'tx.a=%{tx.b}',setvar:tx.c=+1",
            [("setvar", "tx.a=%{tx.b}"), ("setvar", "tx.c=+1")],
        ),
        ("ctl:ruleRemoveTargetById=1;ARGS:a", [("ctl", "ruleRemoveTargetById=1;ARGS:a")]),
        ("t:none,t:urlDecodeUni", [("t", "none"), ("t", "urlDecodeUni")]),
        # Bytes of a blank that only Unicode knows are part of the text.
        ("msg:a\u00a0 ,pass", [("msg", "a\u00a0"), ("pass", None)]),
        ("pass,, nolog,", [("pass", None), ("nolog", None)]),
        ("msg:'a\\\n      b',\\\n pass", [("msg", "ab"), ("pass", None)]),
    ],
)
def test_actions(written: str, meant: list[tuple[str, str | None]]) -> None:
    assert actions(written) == tuple(ActionCall(*each) for each in meant)


def test_lines_are_joined_over_comments_and_blanks_after_the_backslash() -> None:
    text = 'SecRule ARGS\\ \n  # why\n  "@rx a" \\\n#\n "id:1,\\\n  pass"\nSecMarker END\n'
    found = read(text)
    (first, second) = found.items
    assert isinstance(first, Rule)
    assert [each.name for each in first.actions] == ["id", "pass"]
    assert isinstance(second, Marker)
    assert (first.place.line, second.place.line) == (1, 7)


def test_a_comment_that_ends_in_a_backslash_swallows_no_rule() -> None:
    assert rule('# see below \\\nSecAction "id:1"\n').place.line == 2


def test_a_backslash_at_the_end_of_the_file_joins_nothing() -> None:
    assert read('SecAction "id:1" \\') == read('SecAction "id:1"\n')


def test_directives_are_spelled_as_in_the_table_whatever_their_case() -> None:
    (item,) = read("sEcRuLeEnGiNe detectiononly").items
    assert isinstance(item, Setting)
    assert (item.name, item.arguments) == ("SecRuleEngine", ("detectiononly",))


def test_links_hang_on_the_rule_that_begins_their_chain() -> None:
    text = (
        'SecRule ARGS "a" "id:1,chain"\n'
        'SecRule ARGS "b" "t:none,chain"\n'
        'SecAction "setvar:tx.a=1"\n'
        'SecRule ARGS "d" "id:2"\n'
    )
    first, second = read(text).items
    assert isinstance(first, Rule)
    assert isinstance(second, Rule)
    assert [link.place.line for link in first.links] == [2, 3]
    assert second.links == ()


def test_a_dataset_is_its_lines() -> None:
    found = read("SecDataset bad `\n# comment\none\n  two words \n`\nSecMarker END\n")
    dataset, marker = found.items
    assert isinstance(dataset, Setting)
    assert dataset.arguments == ("bad", "# comment\none\n  two words \n")
    assert isinstance(marker, Marker)
    assert marker.place.line == 6
