"""Where skipAfter goes: markers, and rules by their ids as in ModSecurity 2."""

from collections.abc import Iterator, Sequence

from callout.config.problems import Problem
from callout.config.validate import suggest
from waf.seclang.shown import shown
from waf.seclang.syntax import Item, Marker, Rule


def lost_jumps(items: Sequence[Item]) -> Iterator[Problem]:
    """A warning for each skipAfter whose end never comes: it ends its phase."""
    rules = [item for item in items if isinstance(item, Rule)]
    ends = {item.name for item in items if isinstance(item, Marker)}
    ends.update(each.argument or "" for rule in rules for each in rule.actions if each.name == "id")
    for rule in rules:
        for action in rule.actions:
            name = action.argument or ""
            if action.name == "skipafter" and name not in ends:
                yield Problem(
                    rule.place.file,
                    rule.place.line,
                    1,
                    "SecRule" if rule.targets else "SecAction",
                    f"there is no SecMarker {shown(name)}: skipAfter ends the phase",
                    suggest(name, ends),
                    "warning",
                )
