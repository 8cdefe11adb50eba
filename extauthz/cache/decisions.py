"""Remembers decisions by all that they were made of.

A key is the policy, the credential, and what this evaluation read of the input, in the order in
which it read. What an evaluation reads next follows from what it has read so far, so a look-up goes
the same way: the first entry says what to look at first; under what is found there stands the
decision, or what to look at next. Where evaluations went one way so far, a step looks at all of it
at once, so that most policies need one step. A step is an object that stands in the keys for all
of the way to it; a way that was forgotten, or written anew, leads nowhere, never to the decision of
another way.

Allowances and denials are kept apart, ways included: whoever is denied for any number of different
requests fills the denials only.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from extauthz.cache.keys import Key, key_of, reads_all
from extauthz.cache.rules import CacheRules
from extauthz.cache.seen import PARTS, Look, Seen, TooMuch
from extauthz.cache.store import Store, weight, weight_of
from extauthz.outcome import Allow, Deny, Outcome
from extauthz.policy.plan.recording import IMPURE, Path, Read

ALLOWS: Final = 32 * 1024 * 1024
"""Bytes of remembered allowances in one worker: some 40,000 of usual ones."""
DENIALS: Final = 8 * 1024 * 1024
"""Bytes of remembered denials."""
READS_MOST: Final = 64
"""Reads of one decision. A key of more takes longer than many policies."""
COURSES_MOST: Final = 4096
"""Courses of evaluations of which it is kept what a key needs."""
COURSE_MOST: Final = 4 * READS_MOST
"""Reads of such a course."""
WORTH_CODE: Final = 64
"""Looks at the same fields after which there is code for them."""
CODES_MOST: Final = 1024
"""Codes that are kept, of a few KiB each. Policies of the same Rego share theirs; where there are
more, they are looked at without."""
STEP: Final = 400
"""Bytes of a step."""

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
        self._codes: dict[tuple[Read, ...], Key] = {}
        self._allows = _Ways(allows, self._codes)
        self._denials = _Ways(denials, self._codes)
        self._digest = ""
        self._courses: dict[tuple[object, ...], tuple[_CourseRead, ...]] = {}
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
            self._courses.clear()
            self._codes.clear()
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

    def reads(
        self, rules: CacheRules, document: dict[str, Any], noted: Sequence[int]
    ) -> dict[int, Seen] | None:
        """What was read, without what follows from what was read before; None: too much."""
        name = (rules, *noted)
        course = self._courses.get(name)
        if course is None:
            course = _course(rules, noted)
            if len(self._courses) >= COURSES_MOST:
                self._courses.clear()
            if len(noted) <= COURSE_MOST:
                self._courses[name] = course
        found: dict[int, Seen] = {}
        try:
            for number, look, above in course:
                for one in above:
                    if found.get(one) not in PARTS:
                        break  # nothing is below it
                else:
                    found[number] = look(document)
        except (TooMuch, RecursionError):
            return None
        return found if len(found) <= READS_MOST else None


class _CourseRead(NamedTuple):
    """One read of an evaluation."""

    number: int
    look: Look
    above: _Numbers
    """Earlier reads that say whether anything can be there."""


def _course(rules: CacheRules, noted: Sequence[int]) -> tuple[_CourseRead, ...]:
    """What an evaluation read, without what is part of what it had read before."""
    found: list[_CourseRead] = []
    whole: set[Path] = set()
    for number in noted:
        path, is_deep = rules.reads[number]
        if whole.isdisjoint(rules.above[number]):
            above = tuple(
                each.number
                for each in found
                if rules.reads[each.number].path in rules.above[number]
            )
            found.append(_CourseRead(number, rules.looks[number], above))
            if is_deep:
                whole.add(path)
    return tuple(found)


class _Step:
    """What an evaluation that came one way looks at next. It stands for that way in keys."""

    __slots__ = ("_codes", "_left", "_looks", "_reads", "key", "numbers")

    def __init__(
        self, rules: CacheRules, numbers: _Numbers, codes: dict[tuple[Read, ...], Key]
    ) -> None:
        self._codes = codes
        self.numbers = numbers
        self.key: Key | None = None
        """Code for it, if it is worth that."""
        self._looks = [rules.looks[number] for number in numbers]
        self._reads = tuple(rules.reads[number] for number in numbers)
        # who may choose what is looked at, chooses no more than one code in so many requests
        self._left = 0 if reads_all(self._reads) else WORTH_CODE

    def slow_key(self, who: int, document: dict[str, Any]) -> tuple[Seen, ...]:
        """As `key` gives it."""
        if self._left:
            self._left -= 1
            if not self._left:
                self.key = self._codes.get(self._reads)
                if self.key is None and len(self._codes) < CODES_MOST:
                    self.key = self._codes[self._reads] = key_of(self._reads)
        return (self, who, *[look(document) for look in self._looks])


class _Ways:
    """Decisions of one kind, and the ways to them."""

    def __init__(self, size: int, codes: dict[tuple[Read, ...], Key]) -> None:
        self._codes = codes
        self.store: Store[Remembered | _Step] = Store(size)
        self.first: dict[CacheRules, _Step] = {}
        """What an evaluation looks at first, which does not depend on anything."""

    def clear(self) -> None:
        self.store.clear()
        self.first.clear()

    def find(
        self, rules: CacheRules, who: int, document: dict[str, Any], now: float
    ) -> Remembered | None:
        step = self.first.get(rules)
        while step is not None:
            make = step.key
            key = step.slow_key(who, document) if make is None else make(step, who, document)
            found = self.store.get(key)
            if found is None:
                return None
            if isinstance(found, Remembered):
                if now < found.until:
                    return found
                self.store.drop(key)
                return None
            step = found
        return None

    def add(
        self, rules: CacheRules, who: int, reads: dict[int, Seen], decision: Remembered
    ) -> bool:
        numbers = tuple(reads)
        key: tuple[Seen, ...] | None = None
        step = self.first.get(rules)
        while True:
            common = numbers if step is None else _common(numbers, step.numbers)
            if step is None or step.numbers != common:
                # another way from here on: what hangs on the old step is not found any more
                step = _Step(rules, common, self._codes)
                if key is None:
                    self.first[rules] = step
                elif not self.store.put(key, step, weight_of(key[2:]) + STEP):
                    return False
            key = (step, who, *[reads[number] for number in common])
            numbers = numbers[len(common) :]
            if not numbers:
                # the usual decisions are a few objects that all share
                size = 0 if type(decision.answer) is bool else weight(decision)
                return self.store.put(key, decision, weight_of(key[2:]) + size)
            found = self.store.get(key)
            step = found if isinstance(found, _Step) else None


def _common(one: _Numbers, other: _Numbers) -> _Numbers:
    """What both begin with."""
    if one == other:
        return one
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return one[:length]
