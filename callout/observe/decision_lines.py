"""Decisions as lines: readable ones for a terminal, JSON for machines."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias

import msgspec

from callout.observe.decision import Decision
from callout.observe.decision_rules import DecisionRules
from callout.observe.line_writer import ATOMIC
from callout.observe.secrets import mask_text
from callout.observe.text import clean

Seen: TypeAlias = tuple[float, Decision]
"""A decision, and when it was made in seconds since 1970."""


class Style(NamedTuple):
    """How decisions become lines."""

    line: Callable[[Seen], str]
    dropped: Callable[[int], str]
    """What stands for so many decisions that were not written."""


WHO, WHAT, POLICY, WHY = 16, 44, 14, 30
"""Widths of the columns of a readable line; longer texts are cut."""
LONGEST: Final = 512
"""Characters of one text in a JSON line, unless the line were longer than what stays together in a
pipe: workers write to the same one."""
_SHORTEST: Final = 32
"""So many always fit, whatever they are."""

_COLOURS = {"allow": "\x1b[32m", "deny": "\x1b[33m", "error": "\x1b[31m"}
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class DecisionLines:
    """An observer that hands decisions to a writer of lines."""

    def __init__(self, put: Callable[[Seen], None], rules: DecisionRules) -> None:
        """Prepares.

        Args:
            put: takes a decision to be shown, and must not wait: `LineWriter.put`.
            rules: which are shown.
        """
        self._put = put
        self.sample = rules.sample
        self.wants_text = True

    def decided(self, decision: Decision) -> None:
        """Shows it, if it was chosen."""
        if decision.sample:
            self._put((time.time(), decision))


def readable(colours: bool) -> Style:
    """For people: aligned columns, one line each; colours are for terminals only."""

    def render(seen: Seen) -> str:
        at, decision = seen
        verdict = decision.verdict.upper()
        if decision.shadow:
            # It did not take effect.
            verdict = f"({verdict})"
        why = decision.reason + (f" ({decision.detail})" if decision.detail else "")
        start = datetime.fromtimestamp(at).strftime("%H:%M:%S")
        columns = (
            f"{clean(decision.face, 8):5} {_column(decision.who or '-', WHO)} "
            f"{_column(decision.what or '-', WHAT)} {_column(decision.policy or '-', POLICY)} "
            f"{_column(why, WHY)} {_duration(decision.seconds):>7}"
        )
        if not colours:
            return f"{start} {verdict:7} {columns}"
        colour = _COLOURS.get(decision.verdict, "")
        return f"{_DIM}{start}{_PLAIN} {colour}{verdict:7}{_PLAIN} {columns}"

    return Style(render, lambda lines: f"({lines} decisions not shown: they could not be written)")


def json_lines(worker: int) -> Style:
    """For machines: one object a line, `{"kind": "decision", "time", "face", "verdict", ...}`.

    Args:
        worker: the place of this process among the workers; each writes lines of its own.
    """
    return Style(
        lambda seen: _as_json(seen, worker),
        lambda lines: f'{{"kind": "dropped", "worker": {worker}, "lines": {lines}}}',
    )


def _as_json(seen: Seen, worker: int) -> str:
    longest = LONGEST
    while len(line := _encoded(seen, worker, longest)) >= ATOMIC and longest > _SHORTEST:
        # Of nothing but escapes, or of four bytes a character.
        longest //= 4
    return line.decode()


def _encoded(seen: Seen, worker: int, longest: int) -> bytes:
    at, decision = seen
    fields = {
        "kind": "decision",
        "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "id": decision.id,
        "face": clean(decision.face, longest),
        "verdict": decision.verdict,
        "shadow": decision.shadow,
        "policy": clean(decision.policy, longest),
        "reason": clean(decision.reason, longest),
        "who": _text(decision.who, longest),
        "what": _text(decision.what, longest),
        "detail": _text(decision.detail, longest),
        "seconds": round(decision.seconds, 6),
        "digest": decision.digest,
        "worker": worker,
        "trace": decision.trace,
        "sample": decision.sample,
    }
    return msgspec.json.encode(fields)


def _text(text: str, longest: int) -> str:
    return clean(mask_text(text[: 4 * LONGEST]), longest)


def _column(text: str, width: int) -> str:
    shown = clean(mask_text(text[: 4 * LONGEST]), LONGEST)
    return shown.ljust(width) if len(shown) <= width else shown[: width - 1] + "…"


def _duration(seconds: float) -> str:
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.1f} s"
