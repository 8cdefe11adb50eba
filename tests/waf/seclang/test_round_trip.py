"""A program written down is read back as it was, and no text whatever breaks the parser."""

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from callout.config.problems import Rejected
from tests.waf.seclang.printer import printed
from waf.seclang.action_names import ACTIONS, TRANSFORMATIONS
from waf.seclang.operator import OPERATORS
from waf.seclang.parse import parse
from waf.seclang.select import select
from waf.seclang.syntax import (
    ActionCall,
    Item,
    Marker,
    OperatorCall,
    Place,
    Program,
    Rule,
    Setting,
    Target,
)
from waf.seclang.variables import VARIABLES

HERE = Place("rules.conf", 1)
# A backslash before a quote is the one thing that cannot be written down between quotes.
TEXT = st.text(alphabet="ab 'é\udc80\"|,:%{}=/;#@!&\t", min_size=1, max_size=12).map(
    lambda text: text.strip() or "a"
)
ESCAPED = TEXT | st.sampled_from([r"\d+\.x", r"a\\b", r"(?i)\x5cn\/x"])
COLLECTIONS = sorted(name for name, kind in VARIABLES.items() if kind == "collection")
SELECTOR = st.text(alphabet="ab-_|,:.é", min_size=1, max_size=6)
KINDS = st.sampled_from(["value", "count", "except"])


def _targets() -> st.SearchStrategy[tuple[Target, ...]]:
    target = st.builds(
        lambda name, selector, pattern, kind: Target(
            name, selector, pattern and selector is not None, kind
        ),
        st.sampled_from(COLLECTIONS),
        st.none() | SELECTOR,
        st.booleans(),
        KINDS,
    )
    return st.lists(target, min_size=1, max_size=4).map(tuple)


def _actions() -> st.SearchStrategy[list[ActionCall]]:
    plain = sorted(name for name, known in ACTIONS.items() if known.argument == "none")
    free = ["msg", "logdata", "setvar", "tag", "ctl", "expirevar"]
    action = (
        st.sampled_from([name for name in plain if name != "chain" and not ACTIONS[name].head]).map(
            ActionCall
        )
        | st.builds(ActionCall, st.sampled_from(free), ESCAPED)
        | st.builds(ActionCall, st.just("t"), st.sampled_from(sorted(TRANSFORMATIONS)))
    )
    return st.lists(action, max_size=5)


OPERATION = st.builds(
    OperatorCall,
    st.sampled_from(sorted(each.lower() for each in OPERATORS)),
    ESCAPED,
    st.booleans(),
)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    items: list[Item] = []
    for number in range(1, draw(st.integers(1, 5))):
        match draw(st.sampled_from(["rule", "action", "marker", "setting"])):
            case "marker":
                items.append(Marker(HERE, draw(TEXT)))
            case "setting":
                items.append(Setting(HERE, "SecComponentSignature", (draw(ESCAPED),)))
            case kind:
                operated = kind == "rule"
                head = [ActionCall("id", str(number)), ActionCall("phase", "2"), *draw(_actions())]
                links = [draw(_actions()) for _ in range(draw(st.integers(0, 2)))]
                for actions in [head, *links][: len(links)]:
                    actions.append(ActionCall("chain"))
                whole = [
                    Rule(
                        HERE,
                        draw(_targets()) if operated else (),
                        draw(OPERATION) if operated else None,
                        tuple(actions),
                    )
                    for actions in [head, *links]
                    if actions
                ]
                if len(whole) == len(links) + 1:
                    items.append(replace(whole[0], links=tuple(whole[1:])))
    return Program(tuple(items))


def without_places(program: Program) -> Program:
    def moved(item: Item) -> Item:
        item = replace(item, place=HERE)
        if isinstance(item, Rule):
            item = replace(item, links=tuple(replace(link, place=HERE) for link in item.links))
        return item

    return Program(tuple(map(moved, program.items)))


def read(data: bytes) -> Program | Rejected:
    return parse("rules.conf", {"rules.conf": data})


@settings(max_examples=80, deadline=None)
@given(programs())
def test_what_is_written_down_is_read_back(program: Program) -> None:
    found = read(printed(program).encode("utf-8", "surrogateescape"))
    assert isinstance(found, Program), found
    assert without_places(found) == program


@settings(max_examples=20, deadline=None)
@given(programs())
def test_lines_that_end_as_on_windows_say_the_same(program: Program) -> None:
    text = printed(program).encode("utf-8", "surrogateescape")
    assert read(text.replace(b"\n", b"\r\n")) == read(text)


PIECES = st.sampled_from(
    [
        b"SecRule", b"SecAction", b"SecMarker", b"Include", b"SecDataset", b"SecRuleRemoveById",
        b"SecRuleUpdateTargetByTag", b"SecDefaultAction", b"SecFoo", b" ", b" ", b'"', b'"', b"'",
        b"`", b"\\", b"\\\n", b"\n", b"\n", b"#", b"\t", b"ARGS", b"ARGS:/a", b"|", b"&", b"!",
        b"@rx", b"@", b"id:1", b"id:", b",", b"chain", b"phase:2", b"deny", b"t:none", b"msg:'",
        b"1-5", b"1\xff", b"\x00", b"\xc2\xa0", b"rules.conf", b"*.conf", b"../x", b"\r",
    ]
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(st.lists(PIECES, max_size=25).map(b"".join) | st.binary(max_size=60))
@example(b'SecRule ARGS "\\')
@example(b"SecDataset x `\n")
@example(b'SecDefaultAction "phase:2,')
def test_every_text_is_a_program_or_has_problems_with_places(data: bytes) -> None:
    found = read(data)
    if isinstance(found, Program):
        select(found)
        return
    lines = data.count(b"\n") + 1
    for problem in found.problems:
        assert problem.file == "rules.conf"
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert str(problem).isprintable()


@settings(max_examples=40, deadline=None)
@given(programs(), st.data())
def test_a_file_with_a_piece_cut_out_has_a_verdict(program: Program, data: st.DataObject) -> None:
    text = printed(program).encode("utf-8", "surrogateescape")
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.integers(first, min(len(text), first + 10)))
    found = read(text[:first] + text[last:])
    assert isinstance(found, Program | Rejected)
