"""What `authz eval` says, as one JSON document; `told` makes lines of the same."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from callout.config.source import Source
from callout.observe.secrets import MASK, is_secret, mask_text
from extauthz.answer import OUR_METADATA
from extauthz.compiled import Authenticated, ByOpa, CompiledAuth
from extauthz.explain.messages import Answer
from extauthz.explain.rego import Explanation
from extauthz.explain.stages import STAGES, credential_seen, entries_of
from extauthz.explain.visible import Visible
from extauthz.explain.watched import Evaluation
from extauthz.identity.contract import Identity
from extauthz.policy.engine import UNDEFINED, PolicyFailed
from extauthz.policy.values.representation import equal
from gatewright.cli.authz.matched import Matched


class Findings(NamedTuple):
    """All that is known of one decision."""

    evaluation: Evaluation
    stage: str
    answer: Answer
    matched: Sequence[Matched]
    auth: Source | None
    """The merged block, as it was written; None: no policy."""
    visible: Visible
    explanation: Explanation | None = None
    why_not: str = ""
    """Why there is no explanation of rules, where one was asked for."""


def report(findings: Findings, explain: bool) -> dict[str, Any]:
    """The document; see docs/authorization.md."""
    record = findings.evaluation.record
    told: dict[str, Any] = {
        "allowed": findings.answer.allowed,
        "verdict": record.verdict,
        "reason": record.reason,
        "shadow": record.shadow,
        "stage": findings.stage,
        "policy": _policy(findings),
        "identity": _identity(findings.evaluation),
        "decide": _decide(record.auth, findings.auth),
        "answer": _answer(findings),
    }
    if isinstance(record.result, PolicyFailed):
        told["failure"] = record.result.message
    if explain:
        told["explanation"] = _explanation(findings)
    return told


def _policy(findings: Findings) -> dict[str, Any] | None:
    if not findings.matched:
        return None
    return {
        "name": findings.matched[-1].name,
        "matched": [
            {
                "policy": each.name,
                "file": each.mark.file,
                "line": each.mark.line,
                "column": each.mark.column,
                "by": each.by,
            }
            for each in findings.matched
        ],
    }


def _identity(evaluation: Evaluation) -> dict[str, Any]:
    found = evaluation.found
    if found is None:
        return {"kind": "not asked"}
    if not isinstance(found, Identity):
        return {"kind": "refused", "reason": evaluation.record.reason}
    if found.claims is None:
        return {"kind": "anonymous"}
    kind = "given" if evaluation.document is not None else "jwt"
    issuer = found.claims.get("iss")
    told = {"kind": kind, "subject": mask_text(found.subject)}
    return {**told, "issuer": mask_text(issuer)} if isinstance(issuer, str) else told


def _decide(auth: CompiledAuth | None, written: Source | None) -> dict[str, Any] | None:
    if auth is None or written is None:
        return None
    mark = written.at("decide").mark
    place = {"file": mark.file, "line": mark.line, "column": mark.column}
    if isinstance(auth.decider, Authenticated):
        return {"kind": "authenticated", **place}
    if isinstance(auth.decider, ByOpa):
        return {"kind": "opa", "rule": auth.decider.path, **place}
    folder = written.at("decide", "rego").value
    return {"kind": "rego", "rule": auth.decider.entrypoint, "folder": folder, **place}


def _answer(findings: Findings) -> dict[str, Any]:
    answer = findings.answer
    shown = findings.visible.made if findings.stage in _BY_POLICY else _ours

    def pairs(found: Sequence[tuple[str, str]]) -> list[list[str]]:
        return [[str(shown(name)), str(shown(value, name))] for name, value in found]

    told: dict[str, Any] = {"status": answer.status, "headers": pairs(answer.headers)}
    if answer.allowed:
        told |= {
            "remove": [shown(name) for name in answer.remove],
            "response_headers": pairs(answer.response_headers),
            "query_set": pairs(answer.query_set),
            "query_remove": [shown(name) for name in answer.query_remove],
        }
    else:
        told["body"] = shown(answer.body)
    told["metadata"] = {
        name if name in OUR_METADATA else str(shown(name)): shown(value, name)
        for name, value in answer.metadata.items()
    }
    return told


_BY_POLICY: Final = ("rego", "opa")


def _ours(value: Any, name: str = "") -> Any:
    """What no policy made: words of ours, and claims that the operator wants in headers."""
    return MASK if is_secret(name) else value


def _explanation(findings: Findings) -> dict[str, Any]:
    record = findings.evaluation.record
    told: dict[str, Any] = {"stage": STAGES[findings.stage]}
    if findings.stage in ("identity", "authenticated"):
        told["saw"] = credential_seen(findings.evaluation)
        told["takes"] = entries_of(record.auth) if record.auth is not None else []
    elif findings.stage in ("path", "input") and record.check is not None:
        told["saw"] = {
            "path": findings.visible.at(_PATH),
            "content-type": record.check.headers.get("content-type"),
        }
    elif findings.stage == "policy" and record.check is not None:
        check = record.check
        told["saw"] = {"host": mask_text(check.host), "named": check.named}
    if findings.why_not:
        told["why_not"] = findings.why_not
    found = findings.explanation
    if found is not None:
        told |= {
            "gave": [
                {"rule": each.rule, "file": each.file, "line": each.line} for each in found.gave
            ],
            "rules": [asdict(each) for each in found.rules],
            "cut": found.cut,
            "not_asked": list(found.asked),
            "errors": list(found.errors),
            "same": _same(found, record.result),
        }
    return told


_PATH: Final = ("attributes", "request", "http", "path")


def _same(found: Explanation, result: object) -> bool:
    if isinstance(result, PolicyFailed) or found.errors:
        return isinstance(result, PolicyFailed) and bool(found.errors)
    if result is UNDEFINED or found.result is UNDEFINED:
        return result is found.result
    return equal(found.result, result)


def exit_code(told: Mapping[str, Any]) -> int:
    """0: the request passes; 1: it does not."""
    return 0 if told["allowed"] else 1
