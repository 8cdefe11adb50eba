"""The block `inspect` of a Policy: checked with positions, its rules loaded."""

import hashlib
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from callout.config.bundle import Bundle
from callout.config.pace import breathe
from callout.config.problems import Problem, Rejected
from callout.config.section import Section
from callout.config.source import Source
from callout.config.validate import suggest, validate
from callout.config.written import denial, size
from waf.inspection import Inspection, Sizes
from waf.load import load
from waf.models import Inspect, RequestSide, ResponseSide
from waf.nomination import Nomination
from waf.packed import ENGINE, PACKED, is_name, unpacked
from waf.rule_files import Levels, RuleFiles, compose
from waf.rules import RuleSet
from waf.seclang.files import Catalogue
from waf.view import view

FOLDER: Final = "waf"
"""Of the bundle: rule files, and the files that they name."""
SHIPPED: Final = ("crs", "starter")
"""Rule sets that a policy names without having them."""


Nominating: TypeAlias = Callable[[RuleSet], Nomination]


class _Ready(NamedTuple):
    """Rules that were loaded."""

    rules: RuleSet
    nominate: Nomination | None


class InspectSection(Section):
    """The section `inspect`. A policy's block compiles to an `Inspection`."""

    key = "inspect"

    def __init__(self, nominating: Nominating | None = None) -> None:
        """No rules are loaded yet.

        Args:
            nominating: makes what tells rules that cannot match; None: every rule is asked.
        """
        self._loaded = _Loaded(nominating)

    def compile_block(self, block: Source, bundle: Bundle) -> Inspection | Rejected:
        """What is inspected by one effective policy."""
        model = validate(Inspect, block)
        if isinstance(model, Rejected):
            return model
        rules = self._rules(model, block.at("request", "waf", "rules"), bundle)
        if isinstance(rules, Rejected):
            return rules
        return Inspection(
            *rules,
            _sizes(model.request),
            _sizes(model.response) if model.response is not None else None,
            model.budget / 1000,
            denial(model.on_error),
        )

    def compile_part(
        self,
        bundle: Bundle,  # noqa: ARG002
        policies: Sequence[Source],  # noqa: ARG002
    ) -> None:
        """Nothing is the same for all policies."""
        return

    def _rules(self, model: Inspect, source: Source, bundle: Bundle) -> _Ready | Rejected:
        sets: list[RuleFiles] = []
        problems: list[Problem] = []
        for index, entry in enumerate(model.request.waf.rules):
            found = _named(entry, bundle) if is_name(entry) else _written(entry, bundle)
            if isinstance(found, str):
                near = suggest(entry, SHIPPED) if is_name(entry) else ""
                problems.append(source.problem((index,), found, near))
            else:
                sets.append(found)
        engine = unpacked(ENGINE, bundle)
        if engine is None:
            problems.append(source.problem((), "expected the engine's own rules, found none"))
        if problems or engine is None:
            return Rejected(tuple(problems))
        response = model.response.waf if model.response is not None else None
        levels = Levels(
            model.request.waf.paranoia,
            model.request.waf.threshold,
            response.threshold if response is not None else None,
        )
        last = "" if denial(model.request.over) else "SecRequestBodyLimitAction ProcessPartial"
        thresholds = levels.thresholds()
        if thresholds:
            shared = self._loaded.rules(bundle, *compose(engine, sets, levels.opened(), last))
            if isinstance(shared, Rejected):
                return shared
            viewed = view(shared.rules, thresholds)
            if viewed is not None:
                return shared._replace(rules=viewed)
        return self._loaded.rules(bundle, *compose(engine, sets, levels, last))


class _Loaded:
    """The rules of a bundle: those that policies have in common are loaded once.

    CRS takes a second. What a reload left as it was is not loaded again.
    """

    def __init__(self, nominating: Nominating | None) -> None:
        self._nominating = nominating
        self._bundle = ""
        self._files = b""
        """The digest of all that rules are made of."""
        self._now: dict[tuple[bytes, bytes], _Ready | Rejected] = {}
        self._before: dict[tuple[bytes, bytes], _Ready | Rejected] = {}

    def rules(self, bundle: Bundle, name: str, files: Mapping[str, bytes]) -> _Ready | Rejected:
        if bundle.digest != self._bundle:
            self._bundle, self._files = bundle.digest, _digest(bundle)
            self._before, self._now = self._now, {}
        key = (self._files, files[name])
        found = self._now.get(key) or self._before.get(key) or self._load(name, files)
        breathe()
        self._now[key] = found
        return found

    def _load(self, name: str, files: Mapping[str, bytes]) -> _Ready | Rejected:
        rules = load(name, files)
        if isinstance(rules, Rejected):
            return rules
        nominating = self._nominating
        return _Ready(rules, None if nominating is None else nominating(rules))


def _digest(bundle: Bundle) -> bytes:
    digest = hashlib.sha256()
    for folder in (FOLDER, PACKED):
        for path, data in bundle.under(folder).items():
            digest.update(b"%d:%d:%b" % (len(path.encode()), len(data), path.encode()))
            digest.update(data)
            breathe()
    return digest.digest()


def _named(entry: str, bundle: Bundle) -> RuleFiles | str:
    """A rule set; or what is wrong with its name."""
    found = unpacked(entry, bundle)
    if found is not None:
        return found
    if entry == "crs":
        return "expected the OWASP Core Rule Set, found none: `gatewright waf crs add` adds it"
    return f"expected one of {', '.join(SHIPPED)} or {FOLDER}/FILE, found {entry!r}"


def _written(entry: str, bundle: Bundle) -> RuleFiles | str:
    """Files of the bundle; or why there are none."""
    path = posixpath.normpath(entry)
    if not path.startswith(f"{FOLDER}/") or any(mark in entry for mark in '"\n\r\\'):
        return f"expected files of the bundle's folder {FOLDER}/, found {entry!r}"
    files = bundle.under(FOLDER)
    if not Catalogue(files).matching(path):
        return f"expected files of the bundle, found none by {entry!r}"
    return RuleFiles(files, (), (path,))


def _sizes(side: RequestSide | ResponseSide) -> Sizes:
    most = size(side.max)
    assert most is not None, "validated"  # noqa: S101
    return Sizes(most, denial(side.over), denial(side.coding), denial(side.endless))
