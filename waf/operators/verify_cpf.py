"""@verifyCPF."""

from waf.operators.contract import Surroundings, Test
from waf.operators.numbered import digits_of, first_valid


def verify_cpf(argument: bytes, around: Surroundings) -> Test:
    r"""Match values with a Brazilian taxpayer number (CPF) whose check digits are right.

    Argument: a regular expression for the number; of what it finds, the first 11 digits count.
    Returns: what it found. 0.5 us without a candidate.
    Example: `@verifyCPF ([0-9]{3}\.){2}[0-9]{3}-[0-9]{2}`.
    Differences: Coraza has none. Here at most 1,000 candidates of a value are looked at.
    """
    return first_valid(argument, around, _valid)


def _valid(text: bytes) -> bool:
    digits = digits_of(text)[:11]
    if len(digits) != 11 or len(set(digits)) == 1 or digits == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]:
        return False
    return digits[9] == _check(digits[:9]) and digits[10] == _check(digits[:10])


def _check(digits: list[int]) -> int:
    weights = range(len(digits) + 1, 1, -1)
    rest = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return 0 if rest < 2 else 11 - rest
