from pathlib import Path

import pytest

from callout.serve.tls import ServerTls

GATEWAY = "spiffe://mesh/ns/edge/sa/gateway"


def test_names_need_an_authority() -> None:
    with pytest.raises(ValueError, match="client_san needs client_ca"):
        ServerTls(Path("crt"), Path("key"), client_san=(GATEWAY,))


def test_without_names_any_certificate_of_the_authority_will_do() -> None:
    assert ServerTls(Path("crt"), Path("key"), Path("ca")).admits(())


def test_with_names_a_client_must_have_one() -> None:
    tls = ServerTls(Path("crt"), Path("key"), Path("ca"), (GATEWAY,), "optional")

    assert tls.admits((("URI", GATEWAY),))
    assert not tls.admits(())
