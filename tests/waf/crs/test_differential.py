"""CRS here beside CRS in ModSecurity 3: the same rules log, or the table says why not."""

from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from callout.testing.data import require
from tests.waf.crs.cases import load
from tests.waf.crs.rival import Rival
from tests.waf.crs.run import files, rules, transact
from tests.waf.crs.server import received, refuses
from waf.transaction import Transaction

_STRIDE: Final = 9
"""One file in so many: all of them take a minute and a half, nearly all of it ModSecurity's."""

_SUMS: Final = frozenset({949110, 959100, 980170})
"""Rules that add up what others found: they differ where those do."""

ONLY_THEIRS: Final[Mapping[int, str]] = {
    **dict.fromkeys(
        (920272, 920273, 944100, 944110, 944120, 944130, 944210, 944240, 944250),
        "REQUEST_BODY holds any body there; in ModSecurity 2, in Coraza and here that of a form, or"
        " one that ctl:forceRequestBodyVariable asked for. The suite fails there for it",
    ),
    **dict.fromkeys((932340, 932350), "`$` matches before a newline at the end, of PCRE not RE2"),
    932200: "`\\s` matches a vertical tab, of PCRE not of RE2",
    942330: "`^` and `$` match at each line there; CRS is written for patterns that do not",
    942131: "the suite says that it must not match there either: 942131-3, -5, -7",
    **dict.fromkeys((931131, 934110), "REQUEST_FILENAME of an absolute URI holds its host there"),
}
ONLY_OURS: Final[Mapping[int, str]] = {
    942100: "a typographic quote is a quote by the best-fit map, which is not loaded there",
    942440: "`^` and `$` match at each line there, of a pattern that is negated",
    930130: "@pmFromFile misses `.env` in `secrets.env` there: another phrase begins alike",
}


@pytest.fixture(scope="module")
def rival(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rival]:
    engine = Rival(files(require("crs")), tmp_path_factory.mktemp("crs"))
    yield engine
    engine.close()


def read_otherwise(transaction: Transaction) -> bool:
    """Whether the body is one that ModSecurity 3 reads otherwise.

    What has no type is a form here, as in ModSecurity 2 and Coraza, and only REQUEST_BODY there.
    What is broken is read on here, and dropped there. A part that is a file to some and none to
    others is both here.
    """
    state = transaction.state
    values = state.body_values
    arguments = {name for name, _ in values.arguments}
    both = any(not arguments.isdisjoint(file.fields) for file in values.files)
    return bool(state.body) and (state.force_body_variable or bool(values.error) or both)


def test_the_same_rules_log(rival: Rival) -> None:
    folder = require("crs")
    ours = rules(folder)
    paths = sorted((folder / "tests/regression/tests").rglob("*.yaml"))[::_STRIDE]
    same = asked = 0
    odd: dict[tuple[str, int], list[str]] = {}
    for case in (case for path in paths for case in load(path)):
        for stage in case.stages:
            if refuses(stage.sent):
                continue
            sent = received(stage.sent)
            transaction = transact(ours, sent)
            here = {match.labels.id for match in transaction.matched if match.logged} - _SUMS
            there = rival.ask(sent) - _SUMS
            asked += 1
            same += here == there
            more = set() if read_otherwise(transaction) else here - there - ONLY_OURS.keys()
            for rule in more:
                odd.setdefault(("only here", rule), []).append(case.id)
            for rule in there - here - ONLY_THEIRS.keys():
                odd.setdefault(("only there", rule), []).append(case.id)

    assert odd == {}
    assert asked > 300
    assert same > asked * 3 / 4
