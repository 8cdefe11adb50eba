"""What rule files say of operators reaches them, and what they tell reaches the rules' author."""

import pytest

from callout.config.problems import Rejected
from tests.waf.engine import rules as loaded
from waf.load import load
from waf.operators import patterns


def test_a_pattern_that_backtracks_is_told_with_its_line() -> None:
    rules = loaded('SecRule ARGS "@rx (?<=a)b" "id:1,phase:2,deny"\n')

    (warning,) = rules.warnings

    assert (warning.file, warning.line, warning.severity) == ("main.conf", 4, "warning")
    assert "not linear" in warning.message


def test_a_dataset_reaches_the_rules_after_it() -> None:
    rules = loaded(
        'SecDataset shells `\nbash\n`\nSecRule ARGS "@pmFromDataset shells" "id:1,phase:2,deny"\n'
    )

    (rule,) = rules.rules()

    assert rule.test is not None
    assert rule.test(b"/bin/Bash") == (b"Bash",)


def test_a_dataset_that_is_not_there_is_told_with_the_line() -> None:
    result = load(
        "rules.conf", {"rules.conf": b'SecRule ARGS "@ipMatchFromDataset nets" "id:1,deny"\n'}
    )

    assert isinstance(result, Rejected)
    assert [problem.line for problem in result.problems] == [1]
    assert "nets" in result.problems[0].message


@pytest.mark.parametrize("sign", ["", "!"])
def test_a_rule_whose_pattern_gives_up_matches(sign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "BACKTRACK_SECONDS", 0.001)
    (rule,) = loaded(f'SecRule ARGS "{sign}@rx (?=x)(x+x+)+y" "id:1,phase:2,deny"\n').rules()

    assert rule.test is not None
    assert (rule.test(b"x" * 200) is None) is rule.negated
