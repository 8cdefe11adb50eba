"""What rate limiting adds to the bundle: the policy block `limits`, and the folder `ratelimit/`."""

from collections.abc import Mapping, Sequence

from callout.config.bundle import Bundle
from callout.config.problems import Problem, Rejected, describe
from callout.config.section import Section
from callout.config.source import Source
from callout.config.validate import validate
from ratelimit.domains import load
from ratelimit.limits import Limit, rate
from ratelimit.policy_limits import LimitItem, PolicyLimit, PolicyLimits
from ratelimit.rules import Tree
from ratelimit.when import Conditions, read

FOLDER = "ratelimit"
"""Of the bundle: envoyproxy/ratelimit files."""


class LimitsSection(Section):
    """The section `limits`.

    A policy's block compiles to `PolicyLimits`; the bundle-wide part is the mapping of
    domains to their rules.
    """

    key = "limits"

    def compile_block(self, block: Source, bundle: Bundle) -> PolicyLimits | Rejected:  # noqa: ARG002
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
            for text in (item.rate,) if isinstance(item.rate, str) else item.rate:
                limit = rate(text, item.name)
                assert isinstance(limit, Limit), "validated"  # noqa: S101
                limits.append(
                    PolicyLimit(
                        policy=block.at(index, "rate").policy,
                        by=item.by,
                        limit=limit,
                        on_error="deny" if item.onError == "deny(503)" else item.onError,
                        mode=item.mode,
                        when=when,
                        unless=unless,
                    )
                )
        if problems:
            return Rejected(tuple(problems))
        return PolicyLimits(tuple(limits), any("path" in limit.by for limit in limits))

    def compile_part(
        self,
        bundle: Bundle,
        policies: Sequence[Source],  # noqa: ARG002
    ) -> Mapping[str, Tree] | Rejected:
        """The domains of the operator's own files."""
        return load(bundle.under(FOLDER))


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
