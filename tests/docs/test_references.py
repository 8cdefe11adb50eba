"""What pages point at is there: links, their anchors, files and folders in backquotes."""

import re

import pytest

from tests.docs import pages
from tests.docs.pages import ROOT

ALL = (
    *pages.PAGES,
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "RATIONALE.md",
    "THREAT_MODEL.md",
)
TOP = "callout|extauthz|ratelimit|gatewright|gateway-config|tests|docs|scripts|requirements"
PATH = re.compile(rf"`((?:{TOP})(?:/[\w.-]+)*/?)`")
OF_A_BUNDLE = {"ratelimit/"}
"""Folders that bundles have too."""


def _prose(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", pages.read(page), flags=re.M | re.S)


def _anchors(page: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", _prose(page), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", ALL)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (folder / file).resolve() if file else ROOT / page
        assert target.is_relative_to(ROOT)
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(str(target.relative_to(ROOT))), link


@pytest.mark.parametrize("page", ALL)
def test_files_and_folders_that_are_named_exist(page: str) -> None:
    named = {name for name in PATH.findall(_prose(page)) if "/" in name} - OF_A_BUNDLE
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_architecture_names_every_folder() -> None:
    text = pages.read("ARCHITECTURE.md")
    named = set(PATH.findall(text))
    for package in ("callout", "gatewright"):
        folders = {
            f"{package}/{each.parent.name}" for each in (ROOT / package).glob("*/__init__.py")
        }
        assert len(folders) >= 5
        assert folders <= named
    assert {"extauthz/identity", "extauthz/policy", "gateway-config", "tests"} <= named


def test_every_page_is_reached_from_the_first() -> None:
    text = pages.read("README.md")
    for page in (*pages.PAGES[1:], "ARCHITECTURE.md", "RATIONALE.md", "THREAT_MODEL.md"):
        assert f"]({page})" in text, page
