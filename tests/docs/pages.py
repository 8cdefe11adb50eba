"""The documentation as data: fenced blocks with what they are, and tables between markers."""

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = ("README.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")))


class Block(NamedTuple):
    """One fenced block."""

    page: str
    line: int
    """Of its first fence, from 1."""
    kind: str
    """One of `KINDS`; empty: it is none of them."""
    name: str
    """What its head names: a file of the bundle, an entrypoint."""
    text: str

    @property
    def place(self) -> str:
        """For test ids and messages."""
        return f"{self.page}:{self.line}"


KINDS: Final = {
    "command": r"sh\n(?P<name>)[^#]",
    "opa": r"yaml\n# opa: (?P<name>\S+)\n",
    "settings": r"yaml\n# settings: (?P<name>\S+)\n",
    "file": r"(?:yaml|rego)\n# bundle(?:: |/)(?P<name>\S+)\n|json bundle: (?P<json>\S+)\n",
    "bad file": r"(?:yaml|rego)\n# bad bundle: (?P<name>\S+)\n",
    "problems": r"text\n# problems(?P<name>)\n",
    "server": r"rego\n# server: (?P<name>\S+)\n",
    "server results": r"yaml\n# server results: (?P<name>\S+)\n",
    "results": r"yaml\n# results: (?P<name>\S+)\n",
    "checks": r"yaml\n# checks(?P<name>)\n",
    "document": r"json input: (?P<name>[^\n]+)\n",
    "envoy": r"yaml\n# envoy: (?P<name>\S+)\n",
    "eval": r"text\n# eval: (?P<name>[^\n]+)\n",
    "try": r"text\n# try: (?P<name>[^\n]+)\n",
    "waf": r"text\n# waf: (?P<name>[^\n]+)\n",
    "waf file": r"(?:json|text) waf: (?P<name>\S+)\n",
    "picture": r"text\n(?P<name>)[^#]",
}
"""What a block may be, by its info string and the first line: nothing else is documentation."""

_FENCED: Final = re.compile(r"^```(?P<all>(?P<info>[^`\n]*)\n(?P<text>.*?))^```$", re.M | re.S)
_CELL: Final = re.compile(r"(?<!\\)\|")


def fresh_environ() -> dict[str, str]:
    """As a terminal has it: these tests may themselves be started by make, which tells its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


def read(page: str) -> str:
    """The page."""
    return (ROOT / page).read_text()


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = read(page)
    found = []
    for fenced in _FENCED.finditer(text):
        kind = name = ""
        for candidate, head in KINDS.items():
            if match := re.match(head, fenced["all"]):
                kind, name = candidate, next(filter(None, match.groups()), "")
        line = text.count("\n", 0, fenced.start()) + 1
        found.append(Block(page, line, kind, name, fenced["text"]))
    assert 2 * len(found) == len(re.findall(r"^```", text, re.M)), f"{page}: a fence is open"
    return found


def of_kind(*kinds: str) -> list[Block]:
    """The blocks of some kinds, on all pages."""
    return [block for page in PAGES for block in blocks(page) if block.kind in kinds]


def files(page: str, kind: str = "file") -> dict[str, str]:
    """The bundle that the blocks of a page make together."""
    found: dict[str, str] = {}
    for block in blocks(page):
        if block.kind == kind:
            assert block.name not in found, f"{block.place}: {block.name} again"
            found[block.name] = block.text
    return found


def section(page: str, name: str) -> str:
    """What stands between `<!-- name: begin -->` and `<!-- name: end -->`."""
    found = re.search(rf"<!-- {name}: begin -->\n(.*?)<!-- {name}: end -->", read(page), re.S)
    assert found is not None, f"{page} has no section {name}"
    return found[1]


def table(page: str, name: str) -> list[list[str]]:
    """The rows of the table in a section, without its head; code marks stay."""
    lines = section(page, name).splitlines()
    rows = [[cell.strip() for cell in _CELL.split(line)[1:-1]] for line in lines]
    assert all(len(row) == len(rows[0]) for row in rows), f"{page}: {name} is ragged"
    assert set("".join(rows[1])) == {"-"}
    assert len(rows) > 2, f"{page}: the table {name} is empty"
    return rows[2:]


def code(cell: str) -> list[str]:
    """The code words in a cell: what is between backquotes."""
    return re.findall(r"`([^`]+)`", cell)
