"""Which rules a `ctl` means: by id, by tag, by message."""

from waf.ids import id_ranges
from waf.seclang.labels import label_test
from waf.state import Labels


class RuleDirectory:
    """Filled while rules are assembled, asked while they run.

    A tag or a message is meant as by SecRuleRemoveByTag: `waf/seclang/labels.py`.
    """

    def __init__(self) -> None:
        """Empty."""
        self._ids: dict[int, int] = {}
        self._tags: dict[str, set[int]] = {}
        self._messages: dict[str, set[int]] = {}
        self._found: dict[tuple[str, str], frozenset[int]] = {}
        self._size = 0

    def next_index(self) -> int:
        """The index of the next rule."""
        self._size += 1
        return self._size - 1

    def add(self, index: int, labels: Labels) -> None:
        """A rule with its labels."""
        if labels.id:
            self._ids[labels.id] = index
        for tag in labels.tags:
            self._tags.setdefault(tag, set()).add(index)
        if labels.message:
            self._messages.setdefault(labels.message, set()).add(index)

    def by_id(self, text: str) -> frozenset[int]:
        """Those of an id, of a range, of several of them with commas or spaces between."""
        key = ("id", text)
        if key not in self._found:
            spans = id_ranges(text)
            self._found[key] = frozenset(
                index
                for number, index in self._ids.items()
                if any(low <= number <= high for low, high in spans)
            )
        return self._found[key]

    def by_tag(self, text: str) -> frozenset[int]:
        """Those that have a tag."""
        return self._labelled("tag", self._tags, text)

    def by_message(self, text: str) -> frozenset[int]:
        """Those that have a message, macros as written."""
        return self._labelled("msg", self._messages, text)

    def _labelled(self, kind: str, labels: dict[str, set[int]], text: str) -> frozenset[int]:
        key = (kind, text)
        if key not in self._found:
            meant = label_test(text)
            self._found[key] = frozenset(
                index for label, indexes in labels.items() if meant(label) for index in indexes
            )
        return self._found[key]
