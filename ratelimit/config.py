"""What rate limiting adds to the bundle: the policy block `limits`, and the folder `ratelimit/`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected, describe
from callout.config.section import Section
from callout.config.source import Source
from callout.config.validate import validate
from ratelimit.counting import algorithm
from ratelimit.domains import load
from ratelimit.keys import ErNames
from ratelimit.limits import Limit, rate
from ratelimit.overrides.file import OverrideFiles
from ratelimit.overrides.table import Overrides
from ratelimit.policy_limits import LimitItem, PolicyLimit, PolicyLimits
from ratelimit.rules import Tree
from ratelimit.stores.states import MOST_USES
from ratelimit.when import ADDRESS, IDENTITY, Conditions, read

FOLDER = "ratelimit"
"""Of the bundle: envoyproxy/ratelimit files."""


class LimitsSection(Section):
    """The section `limits`.

    A policy's block compiles to `PolicyLimits`; the bundle-wide part is the mapping of
    domains to their rules.
    """

    key = "limits"

    def __init__(
        self, merge_domains: bool = False, er: ErNames | None = None, calendar: bool = False
    ) -> None:
        """Read files.

        Args:
            merge_domains: a domain may be in several files; their rules are put together.
            er: domains match, count and answer as in envoyproxy/ratelimit, under these names.
            calendar: a month of files is that of the calendar.
        """
        self._merge, self._er, self._calendar = merge_domains, er, calendar
        self._files = OverrideFiles()

    def compile_block(self, block: Source, bundle: Bundle) -> PolicyLimits | Rejected:
        """The limits of one effective policy."""
        if not isinstance(block.value, list):
            return Rejected(
                (block.problem((), f"expected a list of limits, found {describe(block.value)}"),)
            )
        limits: list[PolicyLimit] = []
        problems: list[Problem] = []
        for index in range(len(block.value)):
            item = validate(LimitItem, block.at(index))
            if isinstance(item, Rejected):
                problems += item.problems
                continue
            if item.off:
                continue
            if item.rate is None:
                problems.append(
                    block.problem((index,), f"the limit `{item.name}` needs a `rate`: N/UNIT")
                )
                continue
            when = _conditions(block, index, "when", item.when, problems)
            unless = _conditions(block, index, "unless", item.unless, problems)
            overrides = self._overrides(block, index, item, bundle, problems)
            rates = (item.rate,) if isinstance(item.rate, str) else item.rate
            if item.burst is not None and len(rates) > 1:
                message = "expected one `rate` beside `burst`: each window has its own"
                problems.append(block.problem((index, "burst"), message))
                continue
            for place, text in enumerate(rates):
                limit = rate(text, item.name)
                assert isinstance(limit, Limit), "validated"  # noqa: S101
                counted = algorithm(item.algorithm, limit, item.burst)
                if isinstance(counted, str):
                    key = "algorithm" if item.burst is None else "burst"
                    problems.append(block.problem((index, key), counted))
                    break
                limits.append(
                    PolicyLimit(
                        policy=block.at(index, "rate").policy,
                        by=item.by,
                        limit=limit,
                        on_error="deny" if item.onError == "deny(503)" else item.onError,
                        mode=item.mode,
                        when=when,
                        unless=unless,
                        overrides=overrides,
                        first=place == 0,
                        windows=len(rates),
                        kind=item.algorithm,
                        burst=item.burst,
                        each=item.counting == "each",
                        strict=item.strict,
                    )
                )
        if (most := _most_counted(limits)) > MOST_USES:
            # A request of more would be answered as if Redis were away, by all of its `onError`.
            message = f"expected at most {MOST_USES} windows of all limits together, found {most}"
            problems.append(block.problem((), message))
        if problems:
            return Rejected(tuple(problems))
        return PolicyLimits(tuple(limits), any("path" in limit.by for limit in limits))

    def _overrides(
        self,
        block: Source,
        index: int,
        item: LimitItem,
        bundle: Bundle,
        problems: list[Problem],
    ) -> Overrides | None:
        if item.overrides is None:
            return None
        by = item.by[0] if item.by else ""
        if by != ADDRESS and not by.startswith(IDENTITY):
            message = f"expected `by` to begin with {ADDRESS} or {IDENTITY}FIELD, of whose values"
            problems.append(block.problem((index, "overrides"), f"{message} the file is"))
            return None
        read = self._files.read(bundle, item.overrides, by == ADDRESS)
        if read is None:
            message = f"expected a file of the bundle, found no {item.overrides!r}"
            problems.append(block.problem((index, "overrides"), message))
        elif isinstance(read, Rejected):
            problems += read.problems
        else:
            overrides = read.of(by, item.name)
            for each in overrides.rates:
                for limit in each.limits:
                    counted = algorithm(item.algorithm, limit, each.burst)
                    if isinstance(counted, str):
                        message = f"{each.place}: {counted}"
                        problems.append(block.problem((index, "overrides"), message))
            return overrides
        return None

    def compile_part(
        self,
        bundle: Bundle,
        policies: Sequence[Source],  # noqa: ARG002
    ) -> Mapping[str, Tree] | Rejected:
        """The domains of the operator's own files."""
        er = self._er
        trees = load(
            bundle.under(FOLDER),
            merge=self._merge,
            joined=er is not None,
            calendar=self._calendar,
        )
        if isinstance(trees, Rejected) or er is None:
            return trees
        return {domain: replace(tree, er=er) for domain, tree in trees.items()}


def _most_counted(limits: Sequence[PolicyLimit]) -> int:
    """Windows that one request may be counted in."""
    most = 0
    for limit in limits:
        if limit.first:
            rates = limit.overrides.rates if limit.overrides is not None else ()
            most += max([limit.windows, *(len(each.limits) for each in rates)])
    return most


def _conditions(
    block: Source,
    index: int,
    key: str,
    written: Mapping[str, Sequence[str]] | None,
    problems: list[Problem],
) -> Conditions | None:
    if written is None:
        return None
    conditions = read(written)
    if isinstance(conditions, Conditions):
        return conditions
    problems += [block.problem((index, key, *path), message) for path, message in conditions]
    return None
