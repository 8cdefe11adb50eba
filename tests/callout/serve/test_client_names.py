import pytest

from callout.serve.client_names import admits, mistake

GATEWAY = "spiffe://mesh/ns/edge/sa/gateway"
ANY_ACCOUNT = "spiffe://mesh/ns/edge/sa/*"


@pytest.mark.parametrize(
    ("names", "admitted"),
    [
        ((("URI", GATEWAY),), True),
        ((("DNS", "a.example"), ("URI", GATEWAY)), True),
        ((("DNS", "gate.example"),), True),
        ((("URI", "https://gate.example/x"),), True),
        ((), False),
        ((("URI", GATEWAY + "/x"),), False),
        ((("URI", GATEWAY.upper()),), False),
        ((("DNS", GATEWAY),), False),
        ((("URI", "gate.example"),), False),
        ((("IP Address", "gate.example"),), False),
        ((("DNS", "GATE.example"),), False),
        ((("DNS", "*.example"),), False),
    ],
)
def test_a_name_is_admitted_by_kind_and_exactly(
    names: tuple[tuple[str, str], ...], admitted: bool
) -> None:
    assert admits((GATEWAY, "gate.example", "https://gate.example/x"), names) is admitted


@pytest.mark.parametrize("second", ["spiffe://mesh/other", GATEWAY, "https://gate.example/x"])
def test_an_svid_with_two_uris_is_refused_as_the_standard_says(second: str) -> None:
    names = (("URI", GATEWAY), ("URI", second), ("DNS", "gate.example"))
    assert not admits((GATEWAY, "gate.example"), names)
    assert not admits((GATEWAY, "gate.example"), names[::-1])


@pytest.mark.parametrize(
    ("uri", "admitted"),
    [
        ("spiffe://mesh/ns/edge/sa/gateway", True),
        ("spiffe://mesh/ns/edge/sa/*", True),
        ("spiffe://mesh/ns/edge/sa/", False),
        ("spiffe://mesh/ns/edge/sa", False),
        ("spiffe://mesh/ns/edge/sa/gateway/x", False),
        ("spiffe://mesh/ns/edge/sa/..", False),
        ("spiffe://mesh/ns/shop/sa/gateway", False),
        ("spiffe://other/ns/edge/sa/gateway", False),
        ("https://mesh/ns/edge/sa/gateway", False),
    ],
)
def test_a_star_is_one_segment(uri: str, admitted: bool) -> None:
    assert admits((ANY_ACCOUNT,), (("URI", uri),)) is admitted


@pytest.mark.parametrize(
    "allowed",
    ["", "*", "*.example", "spiffe://", "spiffe://*/x", "spiffe://mesh/a*", "spiffe://mesh//x"],
)
def test_what_could_never_fit_or_fits_too_much_is_a_mistake(allowed: str) -> None:
    assert mistake(allowed)


@pytest.mark.parametrize(
    "allowed", [GATEWAY, ANY_ACCOUNT, "spiffe://mesh/*/*", "spiffe://mesh", "gate.example"]
)
def test_a_good_entry_is_none(allowed: str) -> None:
    assert not mistake(allowed)
