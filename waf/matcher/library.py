"""Matchers of rule sets, which share their databases."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Final
from weakref import WeakValueDictionary

from callout.config.pace import breathe
from waf.matcher import hyperscan
from waf.matcher.cache import Cache
from waf.matcher.cost import SLOW, microseconds_per_kib
from waf.matcher.hyperscan import Database, HyperscanProblem
from waf.matcher.linear import Search, linear_search
from waf.matcher.matcher import Matcher
from waf.matcher.plan import draft, plan
from waf.matcher.superset import for_hyperscan
from waf.operators.contract import Sought, Test
from waf.rules import RuleSet

MAX_COSTS: Final = 10_000
"""Expressions whose costs are remembered; all of CRS has 300."""
_SPECIAL: Final = re.compile(rb"[^A-Za-z0-9_]")


class Library:
    """Used by one thread. Rule sets that seek the same have one database together."""

    def __init__(self, cache: Cache | None = None, *, accelerated: bool = True) -> None:
        """Nothing compiled yet.

        Args:
            cache: None: everything is compiled anew.
            accelerated: False: RE2 does all, as it also does where Hyperscan is not to be trusted.
        """
        self.fault: Final = hyperscan.fault() if accelerated else "not wanted"
        """Why RE2 does all; empty: it does not."""
        self._cache: Final = cache
        self._version: Final = b"" if self.fault else hyperscan.version().encode()
        # Weak, as rules come and go: what no matcher has any more is freed.
        self._databases: Final[WeakValueDictionary[bytes, Database]] = WeakValueDictionary()
        self._searches: Final[WeakValueDictionary[Sought, Search]] = WeakValueDictionary()
        self._costs: Final[dict[str, float]] = {}

    def matcher(self, rules: RuleSet) -> Matcher:
        """The nomination of a rule set.

        CRS at paranoia 1 takes 9 s, at 4 40 s, and 0.1 s from the cache.
        """
        if self._cache is None:
            return self._matcher(rules)
        with self._cache.alone():
            self._costs.update(self._kept_costs())
            return self._matcher(rules)

    def _matcher(self, rules: RuleSet) -> Matcher:
        measured = len(self._costs)
        drafts = {number: draft(phase) for number, phase in rules.phases.items()}
        plans = {
            number: plan(drafted, self._pays, self._linear) for number, drafted in drafts.items()
        }
        if self._cache is not None and len(self._costs) != measured:
            self._cache.write(self._costs_key(), json.dumps(self._costs).encode())
        databases: dict[int, Database] = {}
        for number, phase in tuple(plans.items()):
            if phase.numbers:
                try:
                    databases[number] = self._database(phase.numbers)
                except HyperscanProblem:  # each by itself it could
                    plans[number] = plan(drafts[number], lambda _: False, self._linear)
        return Matcher(plans, databases, not self.fault)

    def _linear(self, sought: Sought, test: Test) -> Search | None:
        known = self._searches.get(sought)
        if known is None:
            known = linear_search(sought, test)
            if known is not None:
                self._searches[sought] = known
        return known

    def _pays(self, sought: Sought) -> bool:
        """Whether Hyperscan can do it, and is not slow at it."""
        if self.fault:
            return False
        if sought.words:
            return all(word.isascii() for word in sought.words)
        expression = for_hyperscan(sought.expression)
        breathe()
        if expression is None:
            return False
        key = hashlib.sha256(expression).hexdigest()
        if key not in self._costs:
            if len(self._costs) >= MAX_COSTS:
                self._costs.clear()
            try:  # the interpreter is free for others meanwhile
                stored = hyperscan.compile_database([expression], [0])
                self._costs[key] = round(microseconds_per_kib(stored), 2)
            except HyperscanProblem:
                self._costs[key] = float("inf")
        return self._costs[key] <= SLOW

    def _costs_key(self) -> bytes:
        return b"costs\0" + self._version

    def _kept_costs(self) -> dict[str, float]:
        stored = self._cache.read(self._costs_key()) if self._cache is not None else None
        costs: dict[str, float] = {} if stored is None else json.loads(stored)
        return costs

    def _database(self, numbers: Sequence[Sought]) -> Database:
        expressions: list[bytes] = []
        ids: list[int] = []
        caseless: list[bool] = []
        for number, sought in enumerate(numbers):
            spelled = (
                [_literal(word) for word in sought.words]
                if sought.words
                else [for_hyperscan(sought.expression) or b""]
            )
            expressions += spelled
            ids += [number] * len(spelled)
            caseless += [bool(sought.words)] * len(spelled)
        parts = [b"%d %d %s" % each for each in zip(ids, caseless, expressions, strict=True)]
        key = hashlib.sha256(b"\0".join([self._version, *parts])).digest()
        known = self._databases.get(key)
        if known is None:
            known = self._databases[key] = self._compiled(key, expressions, ids, caseless)
        return known

    def _compiled(
        self, key: bytes, expressions: list[bytes], ids: list[int], caseless: list[bool]
    ) -> Database:
        if self._cache is not None and (stored := self._cache.read(key)) is not None:
            try:
                return Database(stored)
            except HyperscanProblem:
                pass  # of another machine with the same name: made anew
        stored = hyperscan.compile_database(expressions, ids, literal=caseless)
        if self._cache is not None:
            self._cache.write(key, stored)
        return Database(stored)


def _literal(word: bytes) -> bytes:
    return _SPECIAL.sub(lambda match: b"\\x%02x" % match[0][0], word)
