"""`auth.body` as it is written, checked and ready."""

from callout.config.bundle import Bundle
from callout.config.problems import Problem
from callout.config.source import Source
from callout.config.written import denial, size
from extauthz import models
from extauthz.bodies.contract import MOST, BodyRules
from extauthz.bodies.grpc import Methods, methods_of


class DescriptorCache:
    """Reads each descriptor set of a bundle once, and not again if a reload left it as it was."""

    def __init__(self) -> None:
        self._digest = ""
        self._now: dict[bytes, Methods] = {}
        self._before: dict[bytes, Methods] = {}

    def methods(self, data: bytes, digest: str) -> Methods:
        """The methods of a descriptor set.

        Args:
            data: the set.
            digest: of the bundle that it is from.

        Raises:
            ValueError: with a text for the operator.
        """
        if digest != self._digest:
            self._digest, self._before, self._now = digest, self._now, {}
        found = self._now.get(data) or self._before.get(data) or methods_of(data)
        self._now[data] = found
        return found


def body_rules(
    model: models.Auth,
    source: Source,
    bundle: Bundle,
    cache: DescriptorCache,
    problems: list[Problem],
) -> BodyRules:
    """Compile the block `body` of an `auth` block; `source` is the latter."""
    written, source = model.body, source.at("body")
    compat = model.compat is not None
    most: int | None = None if compat else MOST
    if written.max is not None:
        most = size(written.max)
        if most is None:
            problems.append(
                source.problem(("max",), f"expected a size such as `64KiB`, found `{written.max}`")
            )
    return BodyRules(
        parse=written.parse,
        most=most,
        over=_over(written, compat, source, problems),
        methods=_methods(written, source, bundle, cache, problems),
    )


def _over(
    written: models.Body, compat: bool, source: Source, problems: list[Problem]
) -> int | None:
    if written.over == "flag":
        return None
    status = denial(written.over)
    if status is None:
        problems.append(
            source.problem(
                ("over",),
                "expected `flag` or `deny(NNN)` with an HTTP status from 400 to 511, "
                f"found `{written.over}`",
            )
        )
        return None
    if compat:
        problems.append(
            source.problem(("over",), "expected `flag`: opa-envoy-plugin leaves it to the policy")
        )
    return status


def _methods(
    written: models.Body,
    source: Source,
    bundle: Bundle,
    cache: DescriptorCache,
    problems: list[Problem],
) -> Methods | None:
    file = written.descriptors
    if file is None:
        return None
    data = bundle.read(file)
    if data is None:
        message = f"expected a file of the bundle, found no `{file}`"
    else:
        try:
            return cache.methods(data, bundle.digest)
        except ValueError as error:
            message = f"expected a descriptor set in `{file}`: {error}"
    problems.append(source.problem(("descriptors",), message))
    return None
