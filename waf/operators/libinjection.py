r"""libinjection, which tells SQL injection and cross-site scripting without patterns.

Its two functions are called by ctypes in whichever shared library of an installed package has them:
both take bytes with their length, so that NUL and 0xA0 arrive as they are. The module that
libinjection-python offers takes text only, of which 0xA0 (white space for MySQL) becomes C2 A0, and
`1'\xa0OR\xa01=1--` passes; it also takes 6 us where the function takes 3.
"""

import ctypes
import functools
import importlib.metadata
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from waf.operators.contract import OperatorProblem

SOURCES: Final = (
    ("libmodsecurity", "libmodsecurity.libs/libmodsecurity-*.so*"),
    ("libinjection-python", "libinjection.*.so"),
)
"""Distributions and the file of each, the first that is there.

libmodsecurity (Apache-2.0) is a wheel for x86-64 with libinjection 4, which reports errors where
version 3 has assertions; to load it takes 18 ms and 5 MB, when the first rule needs it.
libinjection-python is under the GPL and needs a C compiler, so it is nothing that we depend on: who
has a machine of another kind may install it beside us. It takes 0.3 ms and 0.6 MB.
"""

_FINGERPRINT: Final = 16
"""Bytes; libinjection writes at most 8."""


@dataclass(frozen=True, slots=True)
class Libinjection:
    """The two functions; each returns 1 for an attack, 0 for none, and less for an error."""

    path: Path
    sqli: "ctypes._NamedFuncPointer"
    """Value, length, and where the fingerprint goes. 2 to 4 us, nearly whatever the value."""
    xss: "ctypes._NamedFuncPointer"
    """Value and length. 1 us, and 25 us for a KiB of prose."""

    @classmethod
    def load(cls, path: Path) -> "Libinjection":
        """From a shared library; an `OSError` or `AttributeError` if that is not there."""
        library = ctypes.PyDLL(str(path))  # keeps the GIL: it takes as long to give it back
        sqli, xss = library.libinjection_sqli, library.libinjection_xss
        sqli.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p)
        xss.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
        sqli.restype = xss.restype = ctypes.c_int
        return cls(path, sqli, xss)

    def works(self) -> bool:
        """Whether it tells what it must: nothing else checks how its functions are called."""
        sqli, xss, harmless = b"1' or 1=1--", b"<script>", b"a\0b"
        return (
            self.fingerprint(sqli) == b"s&1c"
            and self.xss(xss, len(xss)) == 1
            and self.sqli(harmless, len(harmless), ctypes.create_string_buffer(_FINGERPRINT)) == 0
            and self.xss(harmless, len(harmless)) == 0
        )

    def fingerprint(self, value: bytes) -> bytes:
        """Which kinds of tokens were told for an attack: `s&1c`."""
        buffer = ctypes.create_string_buffer(_FINGERPRINT)  # one a call: there may be threads
        self.sqli(value, len(value), buffer)
        return buffer.value


def installed() -> list[Path]:
    """The shared libraries that are there, in the order of `SOURCES`."""
    found = []
    for name, pattern in SOURCES:
        try:
            files = importlib.metadata.distribution(name).files or ()
        except importlib.metadata.PackageNotFoundError:
            continue
        found += [Path(str(file.locate())) for file in files if fnmatch(str(file), pattern)]
    return found


@functools.cache
def libinjection() -> Libinjection:
    """The first that loads and works.

    Raises:
        OperatorProblem: none does.
    """
    for path in installed():
        try:
            library = Libinjection.load(path)
        except (OSError, AttributeError):  # of another machine, or without these functions
            continue
        if library.works():
            return library
    wanted = " or ".join(name for name, _ in SOURCES)
    raise OperatorProblem(f"needs libinjection, of the Python package {wanted}, which is not here")
