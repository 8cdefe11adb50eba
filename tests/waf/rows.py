"""The rows of `seclang-unit`, which ModSecurity and Coraza test themselves with.

They are read where they are (`callout.testing.data`); they are no part of the clone.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from callout.testing import data

_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})|\\u00([0-9a-fA-F]{2})")


@dataclass(frozen=True)
class Row:
    id: str
    """File and place in it: `jsDecode-3`."""
    name: str
    """As the file is called."""
    said: dict[str, Any]

    def bytes_of(self, field: str) -> bytes:
        """Text is UTF-8; `\\xHH` and `\\u00HH`, which JSON has left as they are, are bytes."""
        text = self.said[field].encode()
        return _ESCAPE.sub(lambda match: bytes.fromhex((match[1] or match[2]).decode()), text)


def read(kind: str) -> list[Row]:
    """All rows of `operators` or `transformations`; none where the data is not."""
    return [
        Row(f"{path.stem}-{place}", path.stem, said)
        for path in sorted((data.FOLDER / "seclang-unit" / kind).glob("*.json"))
        for place, said in enumerate(json.loads(path.read_text()))
    ]


def parameters(kind: str) -> list[Any]:
    """For parametrize: a test id a row, or one that says that the data is not here."""
    return [pytest.param(row, id=row.id) for row in read(kind)] or [pytest.param(None, id="none")]


def folder() -> Path:
    return data.require("seclang-unit")
