"""Remembers decisions by all that they were made of.

A key is the policy, the credential, and what this evaluation read of the input, in the order in
which it read. What an evaluation reads next follows from what it has read so far, so a look-up goes
the same way: the first entry says what to look at first; under what is found there stands the
decision, or what to look at next. Where evaluations went one way so far, a step looks at all of it
at once, so that most policies need one step. A step is named by what it looks at; a way that was
forgotten, or written anew, leads nowhere, never to the decision of another way.

Allowances and denials are kept apart, ways included: whoever is denied for any number of different
requests fills the denials only.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from extauthz.cache.rules import CacheRules
from extauthz.cache.seen import Seen, TooMuch, has_parts
from extauthz.cache.store import Store, weight
from extauthz.outcome import Allow, Deny, Outcome
from extauthz.policy.plan.recording import IMPURE, Path

ALLOWS: Final = 32 * 1024 * 1024
"""Bytes of remembered allowances in one worker: some 40,000 of usual ones."""
DENIALS: Final = 8 * 1024 * 1024
"""Bytes of remembered denials."""
READS_MOST: Final = 64
"""Reads of one decision. A key of more takes longer than many policies."""

_Numbers: TypeAlias = tuple[int, ...]


class Remembered(NamedTuple):
    """A decision."""

    outcome: Allow | Deny
    answer: object
    """What the engine gave, for the logs."""
    until: float


class DecisionCache:
    """The decisions of one worker. Pure: time is an argument, of any one clock."""

    def __init__(self, allows: int = ALLOWS, denials: int = DENIALS) -> None:
        """The arguments are bytes."""
        self._allows = _Ways(allows)
        self._denials = _Ways(denials)
        self._digest = ""
        self.looked_up = {"allow": 0, "deny": 0, "miss": 0}
        """What was found."""
        self.passed_over = {"failed": 0, "impure": 0, "large": 0}
        """Decisions that were not remembered: we failed to make them; they do not follow from the
        request alone; their key or they themselves are too large."""

    @property
    def bytes(self) -> int:
        """An estimate of all that is held."""
        return self._allows.store.bytes + self._denials.store.bytes

    def get(
        self, digest: str, rules: CacheRules, who: int, document: dict[str, Any], now: float
    ) -> Remembered | None:
        """What was decided about a request that is the same in all that counted.

        Args:
            digest: of the snapshot; another one than the last time empties all.
            rules: the policy's.
            who: the credential (`Identity.serial`).
            document: Rego's input.
            now: seconds.
        """
        if digest != self._digest:
            self._digest = digest
            self._allows.clear()
            self._denials.clear()
        try:
            found = self._allows.find(rules, who, document, now)
            if found is not None:
                self.looked_up["allow"] += 1
                return found
            found = self._denials.find(rules, who, document, now)
        except (TooMuch, RecursionError):
            found = None
        self.looked_up["miss" if found is None else "deny"] += 1
        return found

    def put(
        self,
        digest: str,
        rules: CacheRules,
        who: int,
        document: dict[str, Any],
        noted: Sequence[int],
        outcome: Outcome,
        answer: object,
        now: float,
        valid: float,
    ) -> None:
        """Remember a decision, if it may be given again.

        Args:
            digest: of the snapshot that made it.
            rules: the policy's.
            who: the credential.
            document: the input.
            noted: what this evaluation read, in that order (`RegoEngine.decide_and_tell`).
            outcome: the decision.
            answer: what the engine gave.
            now: seconds.
            valid: seconds for which the credential is valid.
        """
        if digest != self._digest:
            return
        if IMPURE in noted:
            self.passed_over["impure"] += 1
            return
        if isinstance(outcome, Allow):
            ways, ttl = self._allows, min(rules.ttl, valid)
        elif isinstance(outcome, Deny):
            ways, ttl = self._denials, min(rules.deny_ttl, valid)
        else:
            self.passed_over["failed"] += 1
            return
        if ttl <= 0:
            return
        reads = self.reads(rules, document, noted)
        if reads is None or not ways.add(rules, who, reads, Remembered(outcome, answer, now + ttl)):
            self.passed_over["large"] += 1

    @staticmethod
    def reads(
        rules: CacheRules, document: dict[str, Any], noted: Sequence[int]
    ) -> dict[int, Seen] | None:
        """What was read, without what follows from what was read before; None: too much."""
        try:
            return _needed(rules, document, noted)
        except (TooMuch, RecursionError):
            return None


def _needed(
    rules: CacheRules, document: dict[str, Any], noted: Sequence[int]
) -> dict[int, Seen] | None:
    found: dict[int, Seen] = {}
    known: set[Path] = set()  # with all that is below
    for number in noted:
        path, is_deep = rules.reads[number]
        if not known.isdisjoint(rules.above[number]):
            continue
        seen = rules.looks[number](document)
        if is_deep or not has_parts(seen):
            known.add(path)
        found[number] = seen
        if len(found) > READS_MOST:
            return None
    return found


class _Ways:
    """Decisions of one kind, and the ways to them."""

    def __init__(self, size: int) -> None:
        self.store: Store[Remembered | _Numbers] = Store(size)
        self.first: dict[CacheRules, _Numbers] = {}
        """What an evaluation looks at first, which does not depend on anything."""

    def clear(self) -> None:
        self.store.clear()
        self.first.clear()

    def find(
        self, rules: CacheRules, who: int, document: dict[str, Any], now: float
    ) -> Remembered | None:
        numbers = self.first.get(rules)
        if numbers is None:
            return None
        looks, get = rules.looks, self.store.get
        key: tuple[Any, ...] = (rules, who)
        while True:
            key = (*key, numbers, *[looks[number](document) for number in numbers])
            found = get(key)
            if found is None:
                return None
            if isinstance(found, Remembered):
                if now < found.until:
                    return found
                self.store.drop(key)
                return None
            numbers = found

    def add(
        self, rules: CacheRules, who: int, reads: dict[int, Seen], decision: Remembered
    ) -> bool:
        numbers = tuple(reads)
        key: tuple[Any, ...] = (rules, who)
        step = self.first.get(rules)
        is_first = True
        while True:
            common = numbers if step is None else _common(numbers, step)
            if step != common:
                if is_first:
                    self.first[rules] = common
                elif not self.store.put(key, common, weight(key[1:])):
                    return False
            is_first = False
            key = (*key, common, *(reads[number] for number in common))
            numbers = numbers[len(common) :]
            if not numbers:
                size = weight(key[1:]) + weight(decision)
                return self.store.put(key, decision, size)
            found = self.store.get(key)
            step = None if isinstance(found, Remembered) else found


def _common(one: _Numbers, other: _Numbers) -> _Numbers:
    """What both begin with."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return one[:length]
