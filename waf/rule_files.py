"""Rule sets as files, and several of them as the one that is loaded, with a policy's levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from waf.seclang.files import Files
from waf.view import OPEN


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """One rule set."""

    files: Files
    """By the paths that problems name them by; of different sets, different ones."""
    setup: tuple[str, ...]
    """Files that say how the rules are meant, such as `crs-setup.conf`, in order."""
    rules: tuple[str, ...]
    """The rule files, in order; a pattern may name several."""


Threshold: TypeAlias = int | Literal["open"]
"""`open`: written as `waf.view.OPEN`, in the place of which each policy puts its own."""


@dataclass(frozen=True, slots=True)
class Levels:
    """What a policy says of anomaly scoring; None: what the rule files say holds."""

    paranoia: int | None = None
    """1 to 4: which rules run, and count."""
    inbound: Threshold | None = None
    """The score from which on a request is refused."""
    outbound: Threshold | None = None
    """The score from which on a response is refused."""

    def opened(self) -> "Levels":
        """The same for all policies that differ in thresholds alone."""
        return Levels(
            self.paranoia,
            None if self.inbound is None else "open",
            None if self.outbound is None else "open",
        )

    def thresholds(self) -> Mapping[bytes, bytes]:
        """What such a policy puts in the place of `open`: members of TX."""
        written = ((_NAMES["inbound"], self.inbound), (_NAMES["outbound"], self.outbound))
        return {
            name.encode(): b"%d" % value
            for names, value in written
            if isinstance(value, int)
            for name in names
        }


MAIN: Final = "(policy)"
"""Path of the file that `compose` writes, as problems name it."""


def compose(
    base: RuleFiles, sets: Sequence[RuleFiles], levels: Levels, last: str = ""
) -> tuple[str, dict[str, bytes]]:
    """What is given to `waf.load.load`: the first file, and all files.

    Args:
        base: what every engine begins with: its switches, who reads which body.
        sets: rule sets in order.
        levels: written over what their setup says, before any of their rules.
        last: rules after all of them: exclusions.
    """
    files: dict[str, bytes] = dict(base.files)
    for each in sets:
        files.update(each.files)
    lines = [_include(path) for each in (base, *sets) for path in each.setup]
    lines += _levels(levels)
    lines += [_include(path) for each in (base, *sets) for path in each.rules]
    files[MAIN] = "\n".join([*lines, last, ""]).encode("utf-8", "surrogateescape")
    return MAIN, files


def _include(path: str) -> str:
    return f'Include "{path}"'


_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    # CRS 4, then CRS 3.
    "paranoia": ("blocking_paranoia_level", "detection_paranoia_level", "paranoia_level"),
    "inbound": ("inbound_anomaly_score_threshold",),
    "outbound": ("outbound_anomaly_score_threshold",),
}


def _levels(levels: Levels) -> list[str]:
    written = [
        f"setvar:tx.{name}={OPEN.decode() if value == 'open' else value}"
        for key, names in _NAMES.items()
        if (value := getattr(levels, key)) is not None
        for name in names
    ]
    if not written:
        return []
    return [f'SecAction "id:1100000,phase:1,pass,nolog,{",".join(written)}"']
