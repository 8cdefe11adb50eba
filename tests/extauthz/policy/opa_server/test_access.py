"""TLS and tokens, against real OPA servers that ask for them."""

import ipaddress
import os
import shutil
import ssl
import time
from collections.abc import Awaitable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509

from extauthz.policy.engine import PolicyFailed
from extauthz.policy.opa_server import access
from extauthz.policy.opa_server.access import Access, NoAccess, Shown
from extauthz.policy.opa_server.servers import OpaServers
from tests.contract.certificates import Authority
from tests.extauthz.policy.opa_server.opa import Opa

SHOP = "package shop\nallow := true\n"
GUARD = """package system.authz
default allow := false
allow if input.identity == "{word}"
"""


async def ask(url: str, files: Access) -> Any:
    ours = OpaServers([url], files)
    try:
        asking = ours.engine("shop/allow").decide({}, time.monotonic() + 5)
        return await asking if isinstance(asking, Awaitable) else asking
    finally:
        await ours.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Opa]:
    """Takes TLS, and clients with a certificate only."""
    folder = tmp_path_factory.mktemp("opa")
    (folder / "shop.rego").write_text(SHOP)
    pair = authority.issue("opa", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    client = authority.issue("ready")
    context = ssl.create_default_context(cafile=authority.cert)
    context.load_cert_chain(client.cert, client.key)
    flags = ("--tls-cert-file", pair.cert, "--tls-private-key-file", pair.key)
    asks = ("--authentication=tls", "--tls-ca-cert-file", authority.cert)
    with closing(Opa(folder, *flags, *asks, context=context)) as running:
        yield running


async def test_tls_with_our_certificate(secure: Opa, authority: Authority) -> None:
    pair = authority.issue("gatewright")
    files = Access(ca=authority.cert, cert=pair.cert, key=pair.key)
    assert await ask(secure.url, files) is True


@pytest.mark.parametrize("how", ["no authority", "no certificate", "another authority"])
async def test_tls_that_does_not_fit_is_no_answer(
    secure: Opa, authority: Authority, tmp_path: Path, how: str
) -> None:
    pair, other = authority.issue("gatewright"), Authority(tmp_path / "other")
    files = {
        "no authority": Access(cert=pair.cert, key=pair.key),
        "no certificate": Access(ca=authority.cert),
        "another authority": Access(ca=other.cert, cert=pair.cert, key=pair.key),
    }[how]
    failed = await ask(secure.url, files)
    assert isinstance(failed, PolicyFailed)
    assert (failed.reason, failed.unanswered) == ("opa_unavailable", True)


async def test_a_token_and_its_replacement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.rego").write_text(SHOP)
    (tmp_path / "authz.rego").write_text(GUARD.format(word="second"))
    token = tmp_path / "token"
    token.write_text("first\n")
    with closing(Opa(tmp_path, "--authentication=token", "--authorization=basic")) as guarded:
        assert guarded.get("/health") == 401
        assert (await ask(guarded.url, Access())).message == "the OPA server answered 401"
        ours = OpaServers([guarded.url], Access(token_file=token))
        engine = ours.engine("shop/allow")
        monkeypatch.setattr(access, "LOOK", 0.0)

        async def answer() -> Any:
            asking = engine.decide({}, time.monotonic() + 5)
            return await asking if isinstance(asking, Awaitable) else asking

        refused = await answer()
        assert refused == PolicyFailed("opa_error", "the OPA server answered 401")
        token.write_text("second\n")
        answers = [await answer() for _ in range(50)]
        assert answers[-1] is True
        # one that is gone for a moment is what it was
        token.unlink()
        assert [await answer() for _ in range(10)] == [True] * 10
        await ours.close()


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=307, headers={"location": "/v1/data/other/place"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    token = tmp_path / "token"
    token.write_text("secret")
    failed = await ask(f"http://127.0.0.1:{runner.addresses[0][1]}", Access(token_file=token))
    await runner.cleanup()
    assert isinstance(failed, PolicyFailed)
    assert (failed.reason, failed.unanswered) == ("opa_error", False)
    assert asked == ["/v1/data/shop/allow"]


async def test_a_token_that_was_never_there_is_our_own_error(tmp_path: Path) -> None:
    failed = await ask("http://127.0.0.1:1", Access(token_file=tmp_path / "none"))
    message = "what the server is shown cannot be read: FileNotFoundError"
    assert failed == PolicyFailed("opa_error", message)


@pytest.mark.parametrize("text", ["", "\n", "two\nlines", "tük", "a\x00b"])
async def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(NoAccess):
        await Shown(Access(token_file=tmp_path / "token"), secure=False).options(0.0)


async def test_files_are_read_every_five_seconds_and_never_waited_for_again(
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    shown = Shown(Access(token_file=token), secure=False)
    first = {"headers": {"Authorization": "Bearer first"}}
    assert await shown.options(100.0) == first
    token.write_text("second")
    assert await shown.options(104.9) == first
    assert shown._reading is None
    assert await shown.options(105.0) == first, "nobody waits"
    reading = shown._reading
    assert reading is not None
    await reading
    assert await shown.options(105.1) == {"headers": {"Authorization": "Bearer second"}}


async def test_a_context_is_made_anew_only_for_another_certificate(
    authority: Authority, tmp_path: Path
) -> None:
    pair = authority.issue("gatewright")
    cert, key = tmp_path / "cert", tmp_path / "key"
    shutil.copy(pair.cert, cert)
    shutil.copy(pair.key, key)
    shown = Shown(Access(ca=authority.cert, cert=cert, key=key), secure=True)
    first = shown._read()["ssl"]
    assert shown._read()["ssl"] is first
    new = tmp_path / "new"
    shutil.copy(pair.cert, new)
    os.replace(new, cert)
    assert shown._read()["ssl"] is not first


def test_without_files_there_is_nothing_to_read() -> None:
    assert Shown(Access(), secure=True).constant
    assert Shown(Access(ca=Path("ca")), secure=False).constant
    assert not Shown(Access(ca=Path("ca")), secure=True).constant
