"""Every fenced block of README.md and docs/ is what it says it is."""

import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from callout.config.problems import Rejected
from callout.config.settings import Settings, load
from extauthz.outcome import Allow, Deny
from extauthz.plans import rego_wanted
from extauthz.policy.compiler.plans import compiled_path, plan_key, rego_sources
from extauthz.policy.engine import UNDEFINED
from extauthz.policy.rego import RegoEngine, load_plan
from extauthz.result import outcome_of
from tests.docs import pages
from tests.docs.conftest import LoadFiles
from tests.docs.pages import ROOT, Block

BLOCKS = {
    "README.md": 6,
    "docs/authorization.md": 52,
    "docs/configuration.md": 7,
    "docs/envoyproxy-ratelimit.md": 2,
    "docs/opa-envoy-plugin.md": 2,
    "docs/operations.md": 3,
    "docs/performance.md": 0,
    "docs/reliability.md": 0,
    "docs/rate-limiting.md": 31,
    "docs/rego.md": 29,
    "docs/waf-rules.md": 7,
    "docs/waf.md": 1,
}
ELSEWHERE = {"make run\n": "test_make_run", "make test\n": "here: it must not call itself"}
COMMANDS = [each for each in pages.of_kind("command") if each.text not in ELSEWHERE]
BUNDLES = sorted({each.page for each in pages.of_kind("file")})
BAD_BUNDLES = sorted({each.page for each in pages.of_kind("bad file")})
RESULTS = pages.of_kind("results")


def test_there_are_as_many_blocks_as_were_counted() -> None:
    assert {page: len(pages.blocks(page)) for page in pages.PAGES} == BLOCKS
    assert len(COMMANDS) == 6
    assert BUNDLES == [
        "README.md",
        "docs/authorization.md",
        "docs/configuration.md",
        "docs/rate-limiting.md",
        "docs/rego.md",
        "docs/waf.md",
    ]
    assert BAD_BUNDLES == ["docs/configuration.md", "docs/rego.md"]
    assert len(RESULTS) == 7


@pytest.mark.parametrize("page", pages.PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    assert [each.place for each in pages.blocks(page) if not each.kind] == []


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.place)
def test_a_command_does_what_it_says_and_changes_nothing_here(
    block: Block, opa_on_path: None
) -> None:
    before = _shipped()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=pages.fresh_environ(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
    assert _shipped() == before


def _shipped() -> dict[str, bytes]:
    folder = ROOT / "gateway-config"
    return {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_make_test_runs_the_tests() -> None:
    (block,) = (each for each in pages.of_kind("command") if each.text == "make test\n")
    done = subprocess.run(
        ["make", "-n", "test"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        env=pages.fresh_environ(),
    )
    assert block.page == "README.md"
    assert done.stdout.splitlines()[-1] == "scripts/test"
    # All that are collected are in one of its two halves.
    halves = re.findall(
        r'^pytest -m ("not alone"|alone)', (ROOT / "scripts/test").read_text(), re.M
    )
    assert halves == ['"not alone"', "alone"]


@pytest.mark.parametrize("block", pages.of_kind("settings"), ids=lambda block: block.place)
def test_settings_are_read(block: Block) -> None:
    settings = load(block.text.encode(), {}, {}, block.name)
    assert isinstance(settings, Settings), settings
    shown = set(yaml.safe_load(block.text))
    if block.page == "docs/configuration.md":
        assert shown == set(Settings.model_fields)


@pytest.mark.parametrize("page", BUNDLES)
def test_the_files_of_a_page_are_a_good_bundle(page: str, load_files: LoadFiles) -> None:
    loaded = load_files(pages.files(page))
    assert not isinstance(loaded, Rejected), "\n".join(map(str, loaded.problems))
    assert [str(each) for each in loaded.snapshot.warnings] == []


@pytest.mark.parametrize("page", BAD_BUNDLES)
def test_a_bad_bundle_has_the_problems_that_are_shown(page: str, load_files: LoadFiles) -> None:
    loaded = load_files(pages.files(page, "bad file"))
    (shown,) = (each for each in pages.blocks(page) if each.kind == "problems")
    assert isinstance(loaded, Rejected)
    assert [str(each) for each in loaded.problems] == shown.text.splitlines()[1:]


@pytest.mark.parametrize("block", RESULTS, ids=lambda block: block.place)
def test_a_policy_gives_the_results_that_are_shown(block: Block, load_files: LoadFiles) -> None:
    engine, compat = _engine(block, load_files)
    rows = yaml.safe_load(block.text)
    assert len(rows) >= 2
    for row in rows:
        answer = engine.decide(row["input"], None)
        if row.get("undefined"):
            assert row.keys() == {"input", "undefined"}
            assert answer is UNDEFINED
            continue
        assert row.keys() == {"input", "result"}
        assert answer == row["result"]
        allowed = answer["allowed"] if isinstance(answer, dict) else answer
        assert isinstance(outcome_of(answer, "rego", compat), Allow if allowed else Deny)


def _engine(block: Block, load_files: LoadFiles) -> tuple[RegoEngine, bool]:
    """Of the entrypoint that the block names, with the data that its policy names; and whether
    that policy says `compat`."""
    loaded = load_files(pages.files(block.page))
    assert not isinstance(loaded, Rejected)
    for policy in loaded.snapshot.policies.sources:
        for wanted in rego_wanted([policy]):
            if wanted.entrypoint == block.name:
                key = plan_key(rego_sources(loaded.bundle, wanted.folder), wanted.entrypoint)
                plan = loaded.bundle.read(compiled_path(key))
                data = policy.at("auth", "decide", "data").value
                assert plan is not None
                engine = load_plan(
                    plan, wanted.entrypoint, loaded.bundle.read(data) if data else None
                )
                assert isinstance(engine, RegoEngine)
                return engine, policy.at("auth", "compat").value is not None
    raise AssertionError(f"{block.place}: no policy decides by {block.name}")


def test_the_versions_that_are_named_are_the_ones_that_are_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = SpecifierSet(project["requires-python"])
    served = [f"3.{minor}" for minor in range(30) if wanted.contains(f"3.{minor}")]
    assert f"Needs Python {served[0]} to {served[-1]} with" in pages.read("README.md")
