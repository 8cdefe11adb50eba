"""The list of builtins in docs/rego.md; `python -m tests.docs.builtins` writes it anew."""

from itertools import groupby

from extauthz.policy.builtins.table import BUILTINS
from tests.docs import pages

PAGE = "docs/rego.md"


def lines() -> str:
    """One line for each family; what OPA's compiler alone calls is left out."""
    names = sorted(name for name in BUILTINS if not name.startswith("internal."))
    names.sort(key=_family)
    listed = ["- " + ", ".join(f"`{name}`" for name in each) for _, each in groupby(names, _family)]
    return "\n".join(["", *listed, "", ""])


def _family(name: str) -> str:
    family, dot, _ = name.rpartition(".")
    return family if dot else ""


if __name__ == "__main__":
    text = pages.read(PAGE)
    marks = "<!-- builtins: begin -->\n", "<!-- builtins: end -->"
    before, _, rest = text.partition(marks[0])
    after = rest.partition(marks[1])[2]
    (pages.ROOT / PAGE).write_text(before + marks[0] + lines() + marks[1] + after)
