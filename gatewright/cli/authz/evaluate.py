"""`gatewright authz eval [DIR]`: what a served request would be answered, and why."""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from callout.config.problems import Rejected
from callout.config.settings import Settings
from extauthz import decide
from extauthz.check import CheckInput
from extauthz.compiled import ByOpa, ByRego, Decider
from extauthz.decide import Chosen, Refused
from extauthz.decision_logs.defaults import Masks
from extauthz.decision_logs.event import EventMaker
from extauthz.decision_logs.log_rules import LogRules
from extauthz.decision_logs.recorder import NOTHING, Record
from extauthz.emit import AuthPart
from extauthz.explain.messages import BadRequest, answer_of
from extauthz.explain.rego import Explanation, Question, explain
from extauthz.explain.stages import stage_of
from extauthz.explain.visible import Visible
from extauthz.explain.watched import Evaluation, decide_document, decide_request
from extauthz.input import InputBuilder
from extauthz.policy.compiler import program
from extauthz.policy.compiler.plans import rego_sources
from extauthz.policy.outside import http_client
from extauthz.policy.outside.waiting import WaitingEngine
from extauthz.policy.rego import RegoEngine
from extauthz.policy.values.text import from_json
from gatewright.bundle.load import Loaded, load
from gatewright.cli.authz import matched, told, written
from gatewright.cli.authz.report import Findings, exit_code, report
from gatewright.cli.folders import cache_folder, say
from gatewright.cli.settings import read_settings
from gatewright.run.options import opa_options
from gatewright.run.parts import Parts

HELP = "decide about one request as `serve` would; exit 0 it passes, 1 denied, 2 cannot be asked"
_BAD: Final = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "directory", type=Path, nargs="?", metavar="DIR", help="the bundle; default: the settings'"
    )
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings of `serve`")
    parser.add_argument(
        "--explain", action="store_true", help="the rules that were tried, and why each failed"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    written.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the decision."""
    settings = read_settings(arguments.settings, {})
    if isinstance(settings, Rejected):
        return _refused(settings)
    try:
        written.check(arguments)
        loaded = load(arguments.directory or Path(settings.bundle), cache_folder(), say)
        if isinstance(loaded, Rejected):
            return _refused(loaded)
        evaluation, names = asyncio.run(_evaluated(arguments, settings, loaded))
    except BadRequest as bad:
        print(f"gatewright: {bad}", file=sys.stderr)
        return _BAD
    findings = _findings(evaluation, names, loaded, settings)
    if arguments.explain:
        findings = _explained(findings, loaded)
    made = report(findings, arguments.explain)
    if arguments.json:
        print(json.dumps(made, indent=2, ensure_ascii=False, default=str))
    else:
        for line in told.lines(made):
            print(line)
    return exit_code(made)


def _refused(rejected: Rejected) -> int:
    for each in rejected.problems:
        print(each, file=sys.stderr)
    return _BAD


async def _evaluated(
    arguments: argparse.Namespace, settings: Settings, loaded: Loaded
) -> tuple[Evaluation, tuple[matched.Matched, ...]]:
    parts = Parts()
    keys = parts.keys()
    opa = parts.opa(*opa_options(settings.opa)) if settings.opa is not None else None
    ask = opa.engine if opa is not None else None
    index, documents = loaded.snapshot.policies, loaded.documents
    try:
        if not arguments.document:
            message = written.message_of(arguments)
            evaluation = await decide_request(message, loaded.snapshot, keys, ask)
            check = evaluation.record.check
            return evaluation, matched.matched(check, index, documents) if check else ()
        document = written.document_of(arguments)
        name, chosen = _named(arguments.policy, loaded)
        asked = await decide_document(document, chosen, loaded.snapshot, ask)
        if asked is None:
            raise BadRequest(f"policy {name} asks nobody about a document")
        return asked, matched.of_name(name, index, documents)
    finally:
        if opa is not None:
            await opa.close()
        await http_client.close()
        await keys.close()


def _named(name: str | None, loaded: Loaded) -> tuple[str, Chosen]:
    index = loaded.snapshot.policies
    if name is None:
        if len(index.names) != 1:
            raise BadRequest(f"expected --policy, one of {', '.join(index.names)}"[:500])
        (name,) = index.names
    chosen = decide.choose_by_name(name, index)
    if isinstance(chosen, Refused):
        raise BadRequest(f"expected a policy that decides, found {name}")
    return name, chosen


def _findings(
    evaluation: Evaluation,
    names: tuple[matched.Matched, ...],
    loaded: Loaded,
    settings: Settings,
) -> Findings:
    record = evaluation.record
    auth = matched.auth_of([each.name for each in names], loaded.documents) if names else None
    document = _document(evaluation)
    show = settings.decision_logs.show if settings.decision_logs is not None else ()
    masks = Masks(frozenset(show))
    decider = record.auth.decider if record.auth is not None else None
    data = _data(decider)
    folder = auth.at("decide", "rego").value if auth is not None else None
    sources = rego_sources(loaded.bundle, folder) if isinstance(folder, str) else {}
    part = loaded.snapshot.parts["auth"]
    assert isinstance(part, AuthPart)  # noqa: S101
    yaml = (part.ours, auth.value if auth is not None else None)
    texts = [*sources.values(), json.dumps(yaml).encode()]
    return Findings(
        evaluation,
        stage_of(evaluation, loaded.snapshot.policies),
        answer_of(evaluation.reply),
        names,
        auth,
        Visible(document, _masked(evaluation, masks), data, texts),
    )


def _data(decider: Decider | None) -> Any:
    """Rego's `data`."""
    engine = decider.engine if isinstance(decider, ByRego) else None
    return engine.data if isinstance(engine, RegoEngine | WaitingEngine) else {}


def _document(evaluation: Evaluation) -> dict[str, Any]:
    """The whole input, whatever the policy reads of it."""
    if evaluation.document is not None:
        return evaluation.document
    record = evaluation.record
    check = record.check
    if check is None:
        return {}
    decider = record.auth.decider if record.auth is not None else None
    if isinstance(decider, ByRego | ByOpa):
        for builder in (InputBuilder(None, decider.builder.rules), decider.builder):
            if not isinstance(check, CheckInput):
                document = builder.build_of_connection(check, record.claims)
            elif record.path is not None:
                document = builder.build(check, record.path, record.claims)
            else:
                break
            # a body that nobody reads may be one that nobody can read
            if isinstance(document, dict):
                return document
    return {"attributes": check.attributes.at(())}


def _masked(evaluation: Evaluation, masks: Masks) -> object:
    """The input as decision logs show it; None: they would show nothing of it."""
    record = evaluation.record
    if evaluation.document is not None:
        event: dict[str, Any] = {"input": evaluation.document}
        masks.mask(event)
        return event["input"]
    made = EventMaker({}, masks).make(_never_dropped(record))
    return None if made is None else from_json(made).get("input")


def _never_dropped(record: Record) -> Record:
    auth = record.auth
    if auth is None or not isinstance(auth.decider, ByRego) or auth.decider.log_rules is None:
        return record
    decider = replace(auth.decider, log_rules=LogRules(mask=auth.decider.log_rules.mask))
    return record._replace(auth=replace(auth, decider=decider))


def _explained(findings: Findings, loaded: Loaded) -> Findings:
    if findings.stage == "opa":
        return findings._replace(
            why_not="which rules an OPA server tries is not asked: that needs `decide: {rego: ...}`"
        )
    if findings.stage != "rego" or findings.auth is None:
        return findings
    try:
        return findings._replace(explanation=_rules(findings, loaded))
    except program.CompilerMissing as missing:
        return findings._replace(why_not=str(missing))


def _rules(findings: Findings, loaded: Loaded) -> Explanation:
    record = findings.evaluation.record
    decider = record.auth.decider if record.auth is not None else None
    assert isinstance(decider, ByRego)  # noqa: S101
    assert findings.auth is not None  # noqa: S101
    assert record.result is not NOTHING  # noqa: S101
    wrote = findings.auth.at("decide")
    labels = wrote.at("allow", "runtime").value
    question = Question(
        rego_sources(loaded.bundle, wrote.at("rego").value),
        decider.entrypoint,
        _document(findings.evaluation),
        _data(decider),
        wrote.at("strict").value is True,
        {} if labels is None else {"config": {"labels": labels}},
        time.time_ns(),
    )
    return explain(question, program.find(cache_folder(), say), findings.visible)
