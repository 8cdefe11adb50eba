import ssl
from pathlib import Path

import pytest

from callout.serve.tls import ServerTls
from tests.contract.certificates import Authority

GATEWAY = "spiffe://mesh/ns/edge/sa/gateway"


def test_names_need_an_authority() -> None:
    with pytest.raises(ValueError, match="client_san needs client_ca"):
        ServerTls(Path("crt"), Path("key"), client_san=(GATEWAY,))


@pytest.mark.parametrize(
    ("names", "admitted"),
    [
        ((("URI", GATEWAY),), True),
        ((("DNS", "a.example"), ("URI", GATEWAY)), True),
        ((("DNS", "gate.example"),), True),
        ((), False),
        ((("URI", GATEWAY + "/x"),), False),
        ((("DNS", GATEWAY),), False),
        ((("URI", "gate.example"),), False),
        ((("IP Address", "gate.example"),), False),
        ((("DNS", "GATE.example"),), False),
    ],
)
def test_a_name_is_admitted_by_kind_and_exactly(
    names: tuple[tuple[str, str], ...], admitted: bool
) -> None:
    tls = ServerTls(Path("crt"), Path("key"), Path("ca"), (GATEWAY, "gate.example"))

    assert tls.admits(names) is admitted


def test_without_names_any_certificate_of_the_authority_will_do() -> None:
    assert ServerTls(Path("crt"), Path("key"), Path("ca")).admits(())


def test_the_context_asks_for_certificates_only_with_an_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server")

    plain = ServerTls(pair.cert, pair.key).context()
    mutual = ServerTls(pair.cert, pair.key, authority.cert).context()

    assert plain.verify_mode is ssl.CERT_NONE
    assert mutual.verify_mode is ssl.CERT_REQUIRED
    assert plain.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_file_that_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    missing, wrong = tmp_path / "missing.crt", tmp_path / "wrong.crt"
    wrong.write_text("no certificate")
    for tls, named in (
        (ServerTls(missing, pair.key), missing),
        (ServerTls(pair.cert, missing), missing),
        (ServerTls(pair.cert, pair.key, missing), missing),
        (ServerTls(wrong, pair.key), wrong),
        (ServerTls(pair.cert, authority.issue("other").key), pair.cert),
        (ServerTls(pair.cert, pair.key, wrong), wrong),
    ):
        with pytest.raises(OSError, match=str(named)):
            tls.context()


def test_the_state_of_files_changes_when_one_is_replaced(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    tls = ServerTls(pair.cert, pair.key, authority.cert)
    before = tls.state_of_files()
    assert tls.state_of_files() == before

    (tmp_path / "newer").write_bytes(pair.key_bytes)
    (tmp_path / "newer").rename(pair.key)

    assert tls.state_of_files() != before
