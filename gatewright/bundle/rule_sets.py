"""The rule sets of the WAF that policies name without having them: where they are, their files.

`starter` is shipped. `crs` is what `gatewright waf crs add` has put aside, or else what Debian's
package `modsecurity-crs` has installed.
"""

from pathlib import Path
from typing import Final

from waf.rule_files import RuleFiles

DEBIAN: Final = Path("/")
"""Where Debian's package is looked for; its files stand under `etc` and `usr`."""
NO_CRS: Final = (
    "the Core Rule Set is not here: `gatewright waf crs add`, or Debian's package modsecurity-crs"
)
_STARTER: Final = "starter:*.conf"
_KINDS: Final = (".conf", ".data")
_MOST: Final = 16 * 1024 * 1024
"""Bytes of one file: the largest of the CRS has 0.2 MB."""


def base(shipped: Path) -> RuleFiles:
    """What every engine begins with.

    Args:
        shipped: the folder `waf` of the shipped configuration.
    """
    path = shipped / "engine.conf"
    return RuleFiles({"engine:engine.conf": path.read_bytes()}, ("engine:engine.conf",), ())


def starter(shipped: Path) -> RuleFiles:
    """The rules that are shipped."""
    paths = sorted((shipped / "starter").glob("*.*"))
    return RuleFiles({f"starter:{path.name}": _read(path) for path in paths}, (), (_STARTER,))


def crs(cache: Path, debian: Path = DEBIAN) -> RuleFiles | None:
    """The OWASP Core Rule Set; None: it is nowhere.

    Args:
        cache: where `gatewright waf crs add` puts it.
        debian: the root of the file system.
    """
    # A link, which may turn while it is read.
    return tree((cache / "crs").resolve(), "crs:") or _debian(debian)


def tree(root: Path, name: str) -> RuleFiles | None:
    """The CRS as it is released: `crs-setup.conf`, or its example, `rules/`, `plugins/`.

    Args:
        root: the folder of it.
        name: put before the paths of its files.

    Returns:
        None: there is no CRS in the folder.
    """
    files = {
        f"{name}{path.relative_to(root).as_posix()}": _read(path)
        for folder in (root, root / "rules", root / "plugins")
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if path.suffix in (*_KINDS, ".example") and path.is_file()
    }
    setups = (f"{name}crs-setup.conf", f"{name}crs-setup.conf.example")
    setup = next((path for path in setups if path in files), None)
    if setup is None or not any(path.startswith(f"{name}rules/") for path in files):
        return None
    plugins = [path for path in files if path.startswith(f"{name}plugins/")]
    configs, before, after = (
        tuple(path for path in plugins if path.endswith(f"-{kind}.conf"))
        for kind in ("config", "before", "after")
    )
    return RuleFiles(files, (setup,), (*configs, *before, f"{name}rules/*.conf", *after))


def _debian(root: Path) -> RuleFiles | None:
    setup = root / "etc/modsecurity/crs"
    rules = root / "usr/share/modsecurity-crs/rules"
    if not (setup / "crs-setup.conf").is_file() or not rules.is_dir():
        return None
    found = [*setup.iterdir(), *rules.iterdir()]
    files = {f"/{path.relative_to(root)}": _read(path) for path in found if path.suffix in _KINDS}
    own = [f"/etc/modsecurity/crs/{name}.conf" for name in _OWN]
    before, after = ((name,) if name in files else () for name in own)
    return RuleFiles(
        files,
        ("/etc/modsecurity/crs/crs-setup.conf",),
        (*before, "/usr/share/modsecurity-crs/rules/*.conf", *after),
    )


_OWN: Final = ("REQUEST-900-EXCLUSION-RULES-BEFORE-CRS", "RESPONSE-999-EXCLUSION-RULES-AFTER-CRS")
"""Files of Debian's package that are the administrator's own."""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        # What is longer than it may be is refused by whoever parses it.
        return file.read(_MOST + 1)
