"""The setting `opa`: one server, several, or with what they are shown."""

from pathlib import Path

import pytest

from callout.config.opa import Opa, opa_of
from callout.config.problems import Rejected
from callout.config.settings import Settings, load
from extauthz.policy.opa_server.access import Access
from gatewright.run.options import opa_options

ONE, TWO = "http://127.0.0.1:8181", "https://opa.example"


def read(text: str, environ: dict[str, str] | None = None, flag: str | None = None) -> Opa | None:
    settings = load(text.encode(), environ or {}, {"opa": flag})
    assert isinstance(settings, Settings), settings
    return None if settings.opa is None else opa_of(settings.opa)


def problems(text: str) -> list[str]:
    found = load(text.encode(), {}, {})
    assert isinstance(found, Rejected), found
    return [str(each) for each in found.problems]


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        (f"opa: {ONE}", (ONE,)),
        (f"opa: [{ONE}]", (ONE,)),
        (f"opa: [{ONE}, {TWO}]", (ONE, TWO)),
        (f"opa: {{servers: [{TWO}, {ONE}]}}", (TWO, ONE)),
    ],
)
def test_one_several_or_a_mapping(text: str, servers: tuple[str, ...]) -> None:
    found = read(text)
    assert found is not None
    assert found.servers == servers


@pytest.mark.parametrize("text", [ONE, f"{ONE},{TWO}", f"[{ONE}, {TWO}]"])
def test_a_variable_and_a_flag_say_one_or_several_with_commas(text: str) -> None:
    wanted = (ONE, TWO) if "," in text else (ONE,)
    for found in (read("{}", {"GATEWRIGHT_OPA": text}), read("{}", {}, text)):
        assert found is not None
        assert found.servers == wanted


def test_files_become_what_servers_are_shown() -> None:
    found = read(f"opa: {{servers: ['{TWO}'], token_file: t, ca: a, cert: c, key: k}}")
    assert found is not None
    assert opa_options(found) == (
        (TWO,),
        Access(token_file=Path("t"), ca=Path("a"), cert=Path("c"), key=Path("k")),
    )
    assert opa_options(ONE) == ((ONE,), Access())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("opa: []", "at least 1"),
        (f"opa: [{ONE}, {ONE}]", "opa: expected each server once, found one again"),
        (f"opa: [{ONE}, 'http://u:hunter2@h']", "opa[1]: expected scheme, host and port only"),
        (f"opa: {{servers: [{ONE}, 'http://h/hunter2']}}", "opa.servers[1]: expected scheme, host"),
        ("opa: {token_file: t}", "opa: expected the key `servers`, found none"),
        (f"opa: {{servers: [{TWO}], cert: c}}", "expected both cert and key, or neither"),
        (f"opa: {{servers: [{ONE}], ca: c}}", "expected https:// servers beside ca and cert"),
        (f"opa: {{servers: [{ONE}], tokenfile: t}}", "did you mean `token_file`?"),
        (f"opa: {[f'http://h:{each}' for each in range(1, 18)]}", "16"),
        ("opa: 1", "opa: expected"),
    ],
)
def test_what_is_wrong_is_said_and_no_secret(text: str, problem: str) -> None:
    found = problems(text)
    assert any(problem in each for each in found), found
    assert "hunter2" not in str(found)


def test_servers_are_not_in_the_text_of_settings() -> None:
    for text in (f"opa: {ONE}", f"opa: [{ONE}]", f"opa: {{servers: [{ONE}]}}"):
        settings = load(text.encode(), {}, {})
        assert "8181" not in repr(settings)
