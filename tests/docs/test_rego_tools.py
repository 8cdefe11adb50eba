"""The Rego of the pages through the commands that the pages name for it."""

from pathlib import Path

import pytest

from gatewright.cli.main import main
from tests.docs import pages

PAGES = [page for page in pages.PAGES if any(n.endswith(".rego") for n in pages.files(page))]

pytestmark = pytest.mark.timeout(900)  # the first run on a machine builds OPA's code


@pytest.fixture
def bundle(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    for name, text in pages.files(request.param).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.split("\n", 1)[1] if text.startswith("# bundle") else text)
    return tmp_path / "rego"


@pytest.mark.parametrize("bundle", PAGES, indirect=True, ids=PAGES)
def test_it_is_formatted(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["authz", "fmt", "--check", str(bundle)])
    assert (code, *capsys.readouterr()) == (0, "", "")


@pytest.mark.parametrize("bundle", ["docs/authorization.md"], indirect=True)
def test_its_tests_pass(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["authz", "test", "-z", str(bundle / "bakery")]) == 0
    shown = capsys.readouterr().out
    assert "todo_test_bakers_may_change: SKIPPED" in shown
    assert shown.endswith("PASS: 3/4\nSKIPPED: 1/4\n")
