"""The block `inspect`: what it may say, what it is made into, and who judges by it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callout.config.bundle import Bundle
from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot, build
from callout.ext_proc.filter import Block, Moment, Need, Undecided
from callout.ext_proc.plan import Plan
from callout.observe.decision import Decision
from tests.waf.engine import PEER, head
from waf.config import InspectSection
from waf.inspection import Inspection
from waf.packed import ENGINE, named, packed
from waf.report import Report
from waf.rule_files import RuleFiles
from waf.service import InspectionService
from waf.tally import Tally

ENGINE_ON = b"SecRuleEngine On\nSecRequestBodyAccess On\nSecResponseBodyAccess On\n"
DENY = b'SecRule ARGS "@contains attack" "id:5,phase:2,deny,log"\n'
AT = Moment(0.0, 1.0)


def bundle(inspect: str, files: Mapping[str, bytes] | None = None, **policies: str) -> Bundle:
    """One policy for every host; others by name, each for a path of that name."""
    texts = {"all": ('{host: "*"}', inspect)}
    texts |= {name: (f'{{host: "*", path: /{name}}}', text) for name, text in policies.items()}
    documents = {
        f"{name}.yaml": f"apiVersion: bundle/v1\nkind: Policy\nname: {name}\non: [{on}]\n{text}\n"
        for name, (on, text) in texts.items()
    }
    return Bundle(
        {
            "waf/own.conf": DENY,
            **packed(ENGINE, RuleFiles({"engine:e.conf": ENGINE_ON}, ("engine:e.conf",), ())),
            **(files or {}),
            **{path: text.encode() for path, text in documents.items()},
        }
    )


def built(written: Bundle) -> Snapshot:
    found = build(written, [InspectSection()])
    assert isinstance(found, Snapshot), found
    return found


def refused(inspect: str, files: Mapping[str, bytes] | None = None) -> list[str]:
    found = build(bundle(inspect, files), [InspectSection()])
    assert isinstance(found, Rejected), found
    return [str(each) for each in found.problems]


def inspect(request: str = "", more: str = "", rules: str = "[waf/own.conf]") -> str:
    request = f"waf: {{rules: {rules}}}" + (f", {request}" if request else "")
    return f"inspect: {{request: {{{request}}}{', ' + more if more else ''}}}"


def test_what_is_not_said_refuses() -> None:
    (effective,) = built(bundle(inspect())).policies.effective
    made = effective.block("inspect")
    assert isinstance(made, Inspection)
    assert made.request == made.request.__class__(128 << 10, 413, 415, 403)
    assert (made.response, made.seconds, made.failed) == (None, 0.1, 503)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (inspect("max: 17MiB"), "inspect.request.max: expected a size from 1B to 16MiB"),
        (inspect("over: deny(200)"), "inspect.request.over: expected `pass` or `deny(NNN)`"),
        (inspect("over: deny(418)"), "inspect.request.over: expected `pass` or `deny(NNN)`"),
        (inspect(more="onError: pass"), "inspect.onError: expected `allow` or `deny(NNN)`"),
        (inspect(more="dlp: {}"), "inspect.dlp: expected one of"),
        (inspect(rules="[]"), "inspect.request.waf.rules: expected a list of at least 1"),
        (inspect(rules="[start]"), "waf.rules[0]: expected one of crs, starter or waf/FILE"),
        (inspect(rules="[crs]"), "expected the OWASP Core Rule Set, found none"),
        (inspect(rules="[waf/none.conf]"), "expected files of the bundle, found none by"),
        (inspect(rules="[../waf/own.conf]"), "expected files of the bundle's folder waf/"),
        (inspect(rules="[waf/../all.yaml]"), "expected files of the bundle's folder waf/"),
        (inspect(rules="['waf/a\"b.conf']"), "expected files of the bundle's folder waf/"),
        ("inspect: {mode: shadow}", "inspect: expected the key `request`"),
    ],
)
def test_a_mistake_is_told_at_its_place(written: str, expected: str) -> None:
    (line,) = refused(written)
    assert expected in line


def test_a_mistake_in_a_rule_file_is_told_by_file_and_line() -> None:
    files = {"waf/own.conf": DENY + b"\nSecRule ARGS @rx\nSecRuel ARGS a\n"}
    assert [line.split(":")[:2] for line in refused(inspect(), files)] == [
        ["waf/own.conf", "3"],
        ["waf/own.conf", "4"],
    ]


def test_policies_that_say_the_same_share_their_rules_and_a_reload_keeps_them() -> None:
    section = InspectSection()
    policies = {name: inspect(f"max: {size}KiB") for name, size in (("a", 1), ("b", 2))}
    found = [
        build(bundle(inspect(), more, a=policies["a"], b=policies["b"]), [section])
        for more in ({}, {"x": b""})
    ]
    rules = {
        id(block.rules)
        for each in found
        if isinstance(each, Snapshot)
        for effective in each.policies.effective
        if isinstance(block := effective.block("inspect"), Inspection)
    }
    assert len(rules) == 1
    changed = build(bundle(inspect(), {"waf/more.conf": b""}), [section])
    assert isinstance(changed, Snapshot)
    (effective,) = changed.policies.effective
    block = effective.block("inspect")
    assert isinstance(block, Inspection)
    assert id(block.rules) not in rules


def test_rule_sets_are_wanted_by_name_alone() -> None:
    rules = "[crs, waf/own.conf, starter]"
    assert named(built_sources(inspect(rules=rules))) == {"crs", "starter"}


def built_sources(text: str) -> Any:
    sets = {
        path: data
        for name in ("crs", "starter")
        for path, data in packed(name, RuleFiles({}, (), ())).items()
    }
    return built(bundle(text, sets)).policies.sources


class Seen:
    """What is told of decisions."""

    wants_text = True

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    def decided(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def sample(self, *of: object) -> float:
        return 1.0


class World:
    def __init__(self, text: str, **policies: str) -> None:
        self.seen = Seen()
        self.time = 0.0
        self.step = 0.0
        self.snapshot: Snapshot | None = built(bundle(text, None, **policies))
        self.service = InspectionService(
            lambda: self.snapshot, self.seen, Report(Tally()), lambda: 1.0, self._clock
        )

    def _clock(self) -> float:
        self.time += self.step
        return self.time

    def choose(self, target: bytes = b"/", metadata: Mapping[bytes, bytes] | None = None) -> Any:
        return self.service.choose(head(target), PEER, metadata or {})

    def asked(self, target: bytes) -> tuple[Plan, Any]:
        """The plan of a request, and what its filter says of it when it ended."""
        plan = self.choose(target)
        assert isinstance(plan, Plan)
        (looking,) = plan.filters
        said = looking.request_head(head(target), PEER, AT)
        if said is None:
            said = looking.request_body(b"", True, AT)
        looking.done()
        return plan, said


def test_without_a_bundle_everything_is_refused() -> None:
    world = World(inspect())
    world.snapshot = None
    assert world.choose().status == 503
    (decision,) = world.seen.decisions
    assert (decision.verdict, decision.reason) == ("error", "not_ready")


def test_a_policy_that_the_route_names_and_nobody_has_is_an_error() -> None:
    world = World(inspect())
    assert world.choose(metadata={b"x-gatewright-policy": b"none"}).status == 503
    assert isinstance(world.choose(metadata={b"x-gatewright-policy": b"all"}), Plan)


def test_a_path_that_can_be_read_in_two_ways_is_refused_and_not_in_shadow() -> None:
    assert World(inspect()).choose(b"/a/%2e%2e/b").status == 400
    assert isinstance(World(inspect(more="mode: shadow")).choose(b"/a/%2e%2e/b"), Plan)


def test_nobody_looks_where_no_policy_says_so() -> None:
    world = World("mode: enforce", off=inspect(more="mode: off"))
    assert (world.choose(), world.choose(b"/off")) == (None, None)
    assert world.service.unjudged == {"no_policy": 1, "off": 1}
    assert world.seen.decisions == []


def test_what_a_rule_refuses_names_the_rule_and_never_what_was_sent() -> None:
    world = World(inspect())
    _, said = world.asked(b"/?q=attack")
    assert isinstance(said, Block)
    assert (said.status, said.details.rpartition("_")[0]) == (403, "waf_5")
    (decision,) = world.seen.decisions
    assert (decision.verdict, decision.reason, decision.shadow) == ("deny", "rule", False)
    assert (decision.detail, decision.what) == ("5", "GET example.com/")
    assert "attack" not in repr(decision)


def test_a_body_that_was_waited_for_and_never_judged_is_no_pass() -> None:
    world = World(inspect())
    plan = world.choose()
    (looking,) = plan.filters
    assert looking.request_head(head(), PEER, AT) is None
    assert looking.request_need() is Need.WHOLE
    looking.done()  # as when it is longer than `max`
    (decision,) = world.seen.decisions
    assert (decision.verdict, decision.reason, decision.shadow) == ("deny", "unfinished", False)


def test_shadow_tells_of_what_it_let_pass() -> None:
    world = World(inspect(more="mode: shadow"))
    plan, said = world.asked(b"/?q=attack")
    assert said is None
    assert (plan.failed, plan.request.over, plan.request.endless) == (None, None, None)
    (decision,) = world.seen.decisions
    assert (decision.verdict, decision.reason, decision.shadow) == ("deny", "rule", True)


@pytest.mark.parametrize(("on_error", "status"), [("deny(500)", 500), ("allow", None)])
def test_rules_that_take_too_long_leave_it_to_on_error(on_error: str, status: int | None) -> None:
    rules = b"".join(DENY.replace(b"id:5", b"id:%d" % number) for number in range(10, 40))
    world = World(inspect(more=f"onError: {on_error}"))
    world.snapshot = built(bundle(inspect(more=f"onError: {on_error}"), {"waf/own.conf": rules}))
    world.step = 0.06
    plan, said = world.asked(b"/?q=fine")
    assert said == Undecided("time")
    assert (None if plan.failed is None else plan.failed.status) == status
    assert [each.reason for each in world.seen.decisions] == ["time"]


def test_an_id_that_is_none_is_not_shown() -> None:
    world = World(inspect())
    peer = PEER._replace(request_id=b"a b\n")
    plan = world.service.choose(head(b"/?q=attack"), peer, {})
    assert isinstance(plan, Plan)
    (looking,) = plan.filters
    looking.request_head(head(b"/?q=attack"), peer, AT)
    said = looking.request_body(b"", True, AT)
    assert isinstance(said, Block)
    assert said.details.rpartition("_")[2].isalnum()


def test_the_shipped_rule_sets_are_in_every_bundle_that_names_them(tmp_path: Path) -> None:
    from gatewright.bundle.inspected import rule_sets_of

    sources = built_sources(inspect(rules="[starter]"))
    files = rule_sets_of(sources, tmp_path)
    assert ".compiled/waf/engine.json" in files
    assert any(path.startswith(".compiled/waf/starter/") for path in files)
    assert rule_sets_of(built(bundle("mode: enforce")).policies.sources, tmp_path) == {}
