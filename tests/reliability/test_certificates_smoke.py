"""The measurement of replaced certificates, for some seconds."""

import pytest

from tests.reliability import certificates


@pytest.mark.timeout(300)
def test_no_connection_fails_while_certificates_are_replaced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert certificates.main(["--seconds", "1"]) == 0

    rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["own", "own", "grpcio", "grpcio"]
