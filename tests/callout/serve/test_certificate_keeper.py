"""The certificate files as they are replaced, by every way that tools have."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from callout.serve import certificate_keeper
from callout.serve import certificates as certificates_module
from callout.serve.certificate_keeper import CertificateKeeper
from callout.serve.certificates import Certificates
from callout.serve.tls import ServerTls
from tests.contract.certificates import DAY, Authority, Mounted, Pair, replace

NAME = x509.DNSName("gate.example")


class Kept:
    """Certificates of one authority under care, and what was handed over."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.pair = self.authority.issue("server", NAME)
        self.tls = ServerTls(self.pair.cert, self.pair.key, self.authority.cert)
        self.given: list[Certificates] = []
        self.keeper = CertificateKeeper(self.tls, self.given.append)

    def look(self) -> str:
        return self.keeper.look(at_once=False)

    @property
    def counts(self) -> tuple[int, int]:
        return self.keeper.reloads.loaded, self.keeper.reloads.rejected


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize("put", [overwrite, replace])
def test_a_replacement_is_taken_when_it_has_settled(
    kept: Kept, put: Callable[[Path, bytes], None]
) -> None:
    new = kept.authority.issue("new", NAME)
    assert kept.look() == "same"
    put(kept.pair.cert, new.cert_bytes)
    put(kept.pair.key, new.key_bytes)

    assert [kept.look() for _ in range(3)] == ["settling", "loaded", "same"]

    assert [(each.cert, each.key) for each in kept.given] == [(new.cert_bytes, new.key_bytes)]
    assert kept.keeper.current is kept.given[0]
    assert kept.counts == (1, 0)


def test_a_swap_of_a_mounted_secret_is_one_replacement(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    first, second = authority.issue("first", NAME), authority.issue("second", NAME)

    def files(pair: Pair) -> dict[str, bytes]:
        return {"tls.crt": pair.cert_bytes, "tls.key": pair.key_bytes}

    mounted = Mounted(tmp_path / "mounted", files(first))
    tls = ServerTls(tmp_path / "mounted/tls.crt", tmp_path / "mounted/tls.key")
    given: list[Certificates] = []
    keeper = CertificateKeeper(tls, given.append)
    mounted.swap(files(second))

    assert [keeper.look(at_once=False) for _ in range(3)] == ["settling", "loaded", "same"]
    assert [each.cert for each in given] == [second.cert_bytes]


def test_half_a_replacement_keeps_the_former_and_is_counted_once(kept: Kept) -> None:
    new = kept.authority.issue("new", NAME)
    kept.pair.cert.write_bytes(new.cert_bytes)

    assert [kept.look() for _ in range(4)] == ["settling", "rejected", "rejected", "rejected"]
    assert "does not fit" in kept.keeper.problem
    assert kept.given == []
    assert kept.counts == (0, 1)

    kept.pair.key.write_bytes(new.key_bytes)
    assert [kept.look() for _ in range(2)] == ["settling", "loaded"]
    assert kept.keeper.problem == ""
    assert kept.counts == (1, 1)


def test_what_changes_at_every_look_is_not_taken_before_it_stands_still(kept: Kept) -> None:
    for number in range(5):
        new = kept.authority.issue(f"new{number}", NAME)
        kept.pair.cert.write_bytes(new.cert_bytes)
        kept.pair.key.write_bytes(new.key_bytes)
        assert kept.look() == "settling"
    assert kept.look() == "loaded"
    assert len(kept.given) == 1


def test_a_signal_takes_what_is_there_at_once(kept: Kept) -> None:
    new = kept.authority.issue("new", NAME)
    kept.pair.cert.write_bytes(new.cert_bytes)
    kept.pair.key.write_bytes(new.key_bytes)
    assert kept.keeper.look(at_once=True) == "loaded"
    assert kept.keeper.look(at_once=True) == "same"


def test_a_file_that_is_gone_is_a_problem_until_it_is_back(kept: Kept) -> None:
    content = kept.pair.key.read_bytes()
    kept.pair.key.unlink()
    assert [kept.look() for _ in range(3)] == ["settling", "rejected", "rejected"]
    assert str(kept.pair.key) in kept.keeper.problem
    assert kept.counts == (0, 1)

    kept.pair.key.write_bytes(content)
    assert [kept.look() for _ in range(3)] == ["settling", "same", "same"]
    assert kept.keeper.problem == ""
    assert kept.given == []


@pytest.mark.parametrize("which", ["cert", "key", "client_ca"])
@pytest.mark.parametrize("content", [b"", b"rubbish"])
def test_files_that_became_rubbish_keep_the_former(kept: Kept, which: str, content: bytes) -> None:
    path = {"cert": kept.tls.cert, "key": kept.tls.key, "client_ca": kept.tls.client_ca}[which]
    assert path is not None
    path.write_bytes(content)
    assert [kept.look() for _ in range(2)] == ["settling", "rejected"]
    assert f"tls.{which}: {path}" in kept.keeper.problem
    assert kept.given == []


def test_an_expired_replacement_keeps_the_former(kept: Kept) -> None:
    new = kept.authority.issue("new", NAME, ends=-DAY / 2)
    kept.pair.cert.write_bytes(new.cert_bytes)
    kept.pair.key.write_bytes(new.key_bytes)
    assert [kept.look() for _ in range(2)] == ["settling", "rejected"]
    assert "expired at" in kept.keeper.problem


def test_certificates_that_come_early_are_taken_when_they_are_valid(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = kept.authority.issue("new", NAME, starts=DAY / 24)
    kept.pair.cert.write_bytes(new.cert_bytes)
    kept.pair.key.write_bytes(new.key_bytes)
    assert [kept.look() for _ in range(3)] == ["settling", "rejected", "rejected"]
    assert kept.counts == (0, 1)

    monkeypatch.setattr(certificate_keeper, "checked", lambda _, __: kept.keeper.verdict)
    assert kept.look() == "loaded"


def test_a_new_authority_is_a_replacement_too(kept: Kept, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", ends=DAY * 10)
    before = kept.keeper.verdict.expiry["client_ca"]
    replace(kept.authority.cert, other.cert_bytes)
    assert [kept.look() for _ in range(2)] == ["settling", "loaded"]
    assert kept.given[0].client_ca == other.cert_bytes
    assert kept.keeper.verdict.expiry["client_ca"] > before


def test_it_does_not_start_with_what_cannot_be_used(kept: Kept) -> None:
    kept.pair.key.write_bytes(b"")
    with pytest.raises(OSError, match=r"tls\.key"):
        CertificateKeeper(kept.tls, kept.given.append)


async def test_it_looks_by_itself_and_survives_a_mistake_of_ours(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate_keeper, "LOOK_EVERY", 0.01)
    judged = certificates_module.checked
    mistakes = 0

    def fails_first(certificates: Certificates, tls: ServerTls) -> object:
        nonlocal mistakes
        mistakes += 1
        if mistakes == 1:
            raise RuntimeError("a mistake")
        return judged(certificates, tls)

    taken = asyncio.Event()
    keeper = CertificateKeeper(kept.tls, lambda _: taken.set())
    monkeypatch.setattr(certificate_keeper, "checked", fails_first)
    running = asyncio.create_task(keeper.run())
    new = kept.authority.issue("new", NAME)
    kept.pair.cert.write_bytes(new.cert_bytes)
    kept.pair.key.write_bytes(new.key_bytes)
    await asyncio.wait_for(taken.wait(), 10)
    running.cancel()
    assert keeper.current.cert == new.cert_bytes
    assert (keeper.reloads.loaded, keeper.reloads.rejected) == (1, 1)
