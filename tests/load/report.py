"""The figures as tables: on the terminal, and between two markers of a Markdown file."""

from collections.abc import Sequence
from pathlib import Path

from tests.load.measure import Series, Table

BEGIN = "<!-- bench: begin -->"
END = "<!-- bench: end -->"
HEAD = ("", "requests/s", "best", "CPU us a request", "least", "beside it, us a request")


class NoMarkers(Exception):
    """The file that the results shall be written into has no place for them."""


def text(table: Table) -> str:
    """For the terminal."""
    rows = [HEAD, *(_cells(each) for each in table.series)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [table.scenario.title]
    for row in rows:
        name, *figures, beside = row
        cells = [name.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(figures, widths[1:-1], strict=True)]
        lines.append("  " + "  ".join([*cells, beside]).rstrip())
    lines += [f"  {_mark(v.reached)}: {v.words}" for v in table.verdicts]
    lines += [f"  note: {note}" for note in table.notes]
    return "\n".join(lines) + "\n"


def markdown(facts: Sequence[str], tables: Sequence[Table]) -> str:
    """The results section."""
    lines = [f"- {fact}" for fact in facts]
    for table in tables:
        lines += ["", f"### {table.scenario.title}", ""]
        lines += ["| " + " | ".join(HEAD) + " |", "|---|--:|--:|--:|--:|---|"]
        lines += ["| " + " | ".join(_cells(each)) + " |" for each in table.series]
        if table.verdicts or table.notes:
            lines.append("")
        lines += [f"- **{_mark(v.reached)}**: {v.words}" for v in table.verdicts]
        lines += [f"- {note}" for note in table.notes]
    return "\n".join(lines) + "\n"


def write(file: Path, section: str, first: str = BEGIN, last: str = END) -> None:
    """Replace what stands between the markers. Raises NoMarkers."""
    before, begin, rest = file.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise NoMarkers(f"{file} has no lines {first} and {last}")
    file.write_text(f"{before}{first}\n{section}{last}{after}")


def _cells(series: Series) -> tuple[str, ...]:
    beside = ", ".join(f"{name} {spent:.1f}" for name, spent in series.beside().items())
    return (
        series.lane,
        f"{series.rate():,.0f}",
        f"{series.best_rate():,.0f}",
        _microseconds(series.cpu()),
        _microseconds(series.least_cpu()),
        beside,
    )


def _microseconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f}"


def _mark(reached: bool | None) -> str:
    return {True: "reached", False: "missed", None: "too short to tell"}[reached]
