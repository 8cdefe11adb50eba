import pytest

from callout.grpc.answers import UNKNOWN_METHOD, UNKNOWN_SERVICE
from callout.grpc.call import Call, Face, Unary
from callout.grpc.methods import Methods


def echo(message: bytes, _call: Call) -> bytes:
    return message


CHECK = Unary("/shop.Gate/Check", echo)


def test_a_path_finds_its_method() -> None:
    methods = Methods([Face("gate", "shop.Gate", (CHECK,))])

    assert methods.find(b"/shop.Gate/Check") is CHECK
    assert methods.services == ("shop.Gate",)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (b"/shop.Gate/Other", UNKNOWN_METHOD),
        (b"/shop.Gate/", UNKNOWN_METHOD),
        (b"/shop.Gate", UNKNOWN_SERVICE),
        (b"/shop.gate/Check", UNKNOWN_SERVICE),
        (b"/shop.Gate/Check/", UNKNOWN_SERVICE),
        (b"/shop.Gate/Check?x", UNKNOWN_METHOD),
        (b"shop.Gate/Check", UNKNOWN_SERVICE),
        (b"/", UNKNOWN_SERVICE),
        (b"", UNKNOWN_SERVICE),
        (b"*", UNKNOWN_SERVICE),
        (b"/\xff/\xff", UNKNOWN_SERVICE),
    ],
)
def test_any_other_path_is_unimplemented(path: bytes, answer: object) -> None:
    assert Methods([Face("gate", "shop.Gate", (CHECK,))]).find(path) is answer


@pytest.mark.parametrize("path", ["/other.Gate/Check", "shop.Gate/Check", "/shop.Gate/"])
def test_a_method_must_be_under_its_service(path: str) -> None:
    with pytest.raises(ValueError, match=r"not a method of shop\.Gate"):
        Methods([Face("gate", "shop.Gate", (Unary(path, echo),))])


def test_a_path_must_not_be_there_twice() -> None:
    with pytest.raises(ValueError, match="there twice"):
        Methods([Face("gate", "shop.Gate", (CHECK,)), Face("again", "shop.Gate", (CHECK,))])
