"""What we publish, own and install."""

import re
import tomllib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
OURS = ("callout", "extauthz", "ratelimit", "waf", "gatewright")
LOCKED = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("name", OURS)
def test_no_other_distribution_owns_our_import_names(name: str) -> None:
    # PyPI has another `ratelimit`, for one: whichever was installed last would win. An editable
    # installation of our own names no packages.
    owners = metadata.packages_distributions()
    assert owners["pytest"] == ["pytest"]
    assert set(owners.get(name, ())) <= {"gatewright"}
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin == str(ROOT / name / "__init__.py")


def test_the_distribution_brings_exactly_our_packages() -> None:
    assert tuple(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == OURS


def test_it_cannot_be_uploaded_by_mistake() -> None:
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]
    classifiers = metadata.metadata("gatewright").get_all("Classifier") or []
    assert "Private :: Do Not Upload" in classifiers


@pytest.mark.parametrize("name", OURS)
def test_every_package_says_that_it_is_typed(name: str) -> None:
    assert (ROOT / name / "py.typed").is_file()


@pytest.mark.parametrize("name", OURS)
def test_every_folder_with_modules_is_a_package(name: str) -> None:
    folders = {path.parent for path in (ROOT / name).rglob("*.py")}
    assert folders
    assert [path for path in folders if not (path / "__init__.py").exists()] == []


def test_the_version_is_the_one_of_the_installed_distribution() -> None:
    import gatewright

    assert metadata.version("gatewright") == gatewright.__version__


def test_there_are_two_lock_files() -> None:
    assert [path.name for path in LOCKED] == ["dev.txt", "run.txt"]


def _logical_lines(path: Path) -> list[str]:
    text = path.read_text().replace("\\\n", " ")
    return [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_every_locked_requirement_is_one_version_with_hashes(path: Path) -> None:
    lines = _logical_lines(path)
    assert len(lines) > 20
    for line in lines:
        assert re.match(r"[a-z0-9][a-z0-9.-]*(\[[a-z0-9,-]+\])?==\S+ ", line), line
        assert "--hash=sha256:" in line, line


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_lock_files_name_no_address(path: Path) -> None:
    # The same files must work with any index; and an address in them would be trusted blindly.
    text = path.read_text()
    assert "://" not in text
    for option in ("-i ", "--index-url", "--extra-index-url", "--find-links", "-f ", "--trusted"):
        assert not re.search(rf"^\s*{option}", text, re.MULTILINE), option


def test_every_dependency_is_locked() -> None:
    locked = {line.split("==")[0].split("[")[0] for line in _logical_lines(LOCKED[1])}
    for text in PROJECT["project"]["dependencies"]:
        assert Requirement(text).name.lower() in locked
