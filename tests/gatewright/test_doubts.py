"""What `gatewright check` warns of: what works as written, and cannot have been meant."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from callout.config.problems import Rejected
from gatewright.bundle.doubts import doubts
from gatewright.bundle.load import load
from gatewright.cli.folders import cache_folder
from gatewright.cli.main import main

SAMPLE = Path(__file__).resolve().parents[2] / "gateway-config" / "shop"
ALLOW = 'package a\n\ndefault allow := false\n\nallow if startswith(input.path, "/shop")\n'
NEVER = 'package a\n\ndefault allow := false\n\nallow := false if input.path == "/"\n'

pytestmark = pytest.mark.timeout(900)  # the first run on a machine builds OPA's compiler


def policy(name: str, on: str = '{host: "*"}', auth: str = "", rest: str = "") -> str:
    return (
        f"apiVersion: bundle/v1\nkind: Policy\nname: {name}\non: [{on}]\n{rest}"
        f"auth:\n  identity: [anonymous: {{}}]\n"
        f"  decide: {{rego: rego, entrypoint: a/allow}}\n{auth}"
    )


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def told(folder: Path, files: Mapping[str, str]) -> list[str]:
    loaded = load(written(folder, files), cache_folder(), print)
    assert not isinstance(loaded, Rejected), loaded.problems
    found = doubts(loaded)
    assert all(each.severity == "warning" for each in found)
    return [str(each) for each in found]


NEVER_TOLD = (
    "a.yaml:7:36: warning: auth.decide.entrypoint: no request can be allowed: `a/allow` is never"
    " `true`, nor an object whose `allowed` is"
)


def test_a_policy_that_can_never_allow_is_told_at_its_entrypoint(tmp_path: Path) -> None:
    assert told(tmp_path, {"a.yaml": policy("a"), "rego/a.rego": NEVER}) == [NEVER_TOLD]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"a.yaml": policy("a"), "rego/a.rego": ALLOW}, "it can"),
        ({"a.yaml": policy("a", auth="  mode: off\n"), "rego/a.rego": NEVER}, "it is not asked"),
        ({"a.yaml": policy("a", rest="mode: off\n"), "rego/a.rego": NEVER}, "it is not asked"),
    ],
)
def test_others_are_not(files: Mapping[str, str], why: str, tmp_path: Path) -> None:
    assert told(tmp_path, files) == [], why


def test_of_the_sample_there_is_nothing_to_tell() -> None:
    loaded = load(SAMPLE, cache_folder(), print)
    assert not isinstance(loaded, Rejected)
    assert doubts(loaded) == ()


def test_a_second_entry_of_one_issuer_is_told(tmp_path: Path) -> None:
    jwt = "{{jwt: {{issuer: https://{}.example/, audience: [{}], jwks: {{url: https://a.example/k}}}}}}"
    entries = ", ".join(jwt.format(*each) for each in (("a", "x"), ("b", "x"), ("a", "y")))
    text = policy("a").replace("[anonymous: {}]", f"[{entries}]")
    (only,) = told(tmp_path, {"a.yaml": text, "rego/a.rego": ALLOW})
    assert only.startswith("a.yaml:6:")
    assert only.endswith(
        " warning: auth.identity[2].jwt.issuer: never applies: an entry before it is asked about"
        " all tokens of this issuer"
    )


NARROW = '{host: shop.example, path: "/admin"}'
MODES = {
    "a wide block that is off": ("  mode: off\n", "mode: enforce\n", "off", "enforce"),
    "a wide block that is in shadow": ("  mode: shadow\n", "mode: enforce\n", "shadow", "enforce"),
    "a narrow shadow": ("  mode: off\n", "mode: shadow\n", "off", "shadow"),
}


@pytest.mark.parametrize("name", MODES)
def test_a_wide_mode_that_opens_a_narrow_policy_is_told(name: str, tmp_path: Path) -> None:
    block, rest, loose, strict = MODES[name]
    files = {
        "wide.yaml": policy("wide", auth=block),
        "narrow.yaml": policy("narrow", NARROW, rest=rest),
        "rego/a.rego": ALLOW,
    }
    assert told(tmp_path, files) == [
        f"narrow.yaml:5:7: warning: mode: `auth.mode: {loose}` of `wide` (wide.yaml:8) counts here,"
        f" not `{strict}`: write `auth: {{mode: {strict}}}`"
    ]
    loaded = load(tmp_path, cache_folder(), print)
    assert not isinstance(loaded, Rejected)
    effective = loaded.snapshot.policies.choose("shop.example", "/admin", "GET")
    assert effective is not None
    assert effective.mode("auth") == loose  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("block", "rest", "own"),
    [
        ("  mode: off\n", "mode: enforce\n", "  mode: enforce\n"),
        ("  mode: off\n", "mode: enforce\n", "  mode: null\n"),
        ("  mode: off\n", "mode: off\n", ""),
        ("  mode: off\n", "", ""),
        ("  mode: enforce\n", "mode: shadow\n", ""),
        ("", "mode: enforce\n", ""),
    ],
)
def test_other_modes_are_not(block: str, rest: str, own: str, tmp_path: Path) -> None:
    files = {
        "wide.yaml": policy("wide", auth=block),
        "narrow.yaml": policy("narrow", NARROW, auth=own, rest=rest),
        "rego/a.rego": ALLOW,
    }
    assert told(tmp_path, files) == []


def test_warnings_end_with_1_only_if_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(written(tmp_path, {"a.yaml": policy("a"), "rego/a.rego": NEVER}))
    assert main(["check", folder]) == 0
    assert capsys.readouterr() == (f"{folder}: good: 1 policy\n", f"{NEVER_TOLD}\n")
    assert main(["check", "--strict", folder]) == 1
    assert capsys.readouterr() == ("", f"{NEVER_TOLD}\n")
    assert main(["check", "--json", "--strict", folder]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert [each["severity"] for each in report["problems"]] == ["warning"]
    assert main(["check", "--strict", str(SAMPLE)]) == 0


def test_a_domain_of_the_settings_that_no_file_has_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"ratelimit/e.yaml": "domain: edge\ndescriptors: [{key: a}]\n"}
    folder = str(written(tmp_path / "bundle", files))
    settings = tmp_path / "gatewright.yaml"
    check = ["check", "--strict", folder, "--settings", str(settings)]

    settings.write_text('limits: {on_error: {edge: allow, "*": deny}}')
    assert main(check) == 0
    capsys.readouterr()
    settings.write_text("limits: {on_error: {edgy: allow}}")
    assert main(check) == 1
    assert capsys.readouterr().err == (
        "settings: warning: limits.on_error.edgy: expected a domain of the folder `ratelimit/`,"
        " found one that no file has (did you mean `edge`?)\n"
    )
    # Those of a management server are not known before they come.
    settings.write_text("limits: {on_error: {edgy: allow}}\nxds: {server: a:1}")
    assert main(check) == 0


LACKING = 'package a\n\nallow if rego.parse_module("x.rego", input.text)\n'
ASKING = 'package a\n\nallow if net.lookup_ip_addr("shop.example")\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LACKING, "rego/a.rego:3:10: unsupported builtin rego.parse_module"),
        (ASKING, "rego/a.rego:3:10: the builtin net.lookup_ip_addr needs `allow.lookup`"),
    ],
)
def test_build_refuses_rego_that_no_server_would_take(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tmp_path, {"a.yaml": policy("a"), "rego/a.rego": text})
    assert main(["build", str(folder)]) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert error.splitlines()[-1].startswith(message)
    assert not (folder / ".compiled").exists()


def test_build_leaves_what_is_no_rego_to_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = policy("a").replace("anonymous: {}", "jwt: {issuer: a, audience: [a], jwks: {file: k}}")
    folder = str(written(tmp_path, {"a.yaml": text, "rego/a.rego": ALLOW}))
    assert main(["build", folder]) == 0
    assert capsys.readouterr().out == f"{folder}/.compiled: 1 compiled, 0 removed\n"
    assert main(["check", folder]) == 1
