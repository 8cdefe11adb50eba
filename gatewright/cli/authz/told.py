"""The report of `authz eval` in lines for people."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """All of it."""
    answer = told["answer"]
    verdict = "ALLOWED" if told["allowed"] else f"DENIED {answer['status']}"
    shadow = ", but the policy is in shadow" if told["shadow"] else ""
    yield f"{verdict} ({told['verdict']}: {told['reason']}{shadow})"
    yield from _policy(told["policy"])
    yield from _identity(told["identity"])
    yield from _decide(told["decide"])
    if "failure" in told:
        yield f"  failure   {told['failure']}"
    yield from _answer(told["allowed"], answer)
    if "explanation" in told:
        yield ""
        yield from _explanation(told["explanation"])


def _policy(policy: Mapping[str, Any] | None) -> Iterator[str]:
    if policy is None:
        yield "  policy    none"
        return
    yield f"  policy    {policy['name']}"
    for each in reversed(policy["matched"]):
        own = "" if each["policy"] == policy["name"] else f"{each['policy']}, "
        why = f": {each['by']}" if each["by"] else ""
        yield f"            {own}{each['file']}:{each['line']}{why}"


def _identity(identity: Mapping[str, Any]) -> Iterator[str]:
    words = [identity["kind"]]
    words += [f"{name} {identity[name]}" for name in ("subject", "issuer") if identity.get(name)]
    if "reason" in identity:
        words.append(identity["reason"])
    yield f"  identity  {', '.join(words)}"


def _decide(decide: Mapping[str, Any] | None) -> Iterator[str]:
    if decide is None:
        return
    rule = f" {decide['rule']}" if "rule" in decide else ""
    folder = f" of {decide['folder']}" if "folder" in decide else ""
    yield f"  decide    {decide['kind']}{rule}{folder}, {decide['file']}:{decide['line']}"


def _answer(allowed: bool, answer: Mapping[str, Any]) -> Iterator[str]:
    yield f"  answer    {'the request goes on' if allowed else 'HTTP ' + str(answer['status'])}"
    for name, value in answer["headers"]:
        yield f"            {'sets ' if allowed else ''}{name}: {value}"
    if answer.get("remove"):
        yield f"            removes {', '.join(answer['remove'])}"
    for name, value in answer.get("response_headers", ()):
        yield f"            response gets {name}: {value}"
    for name, value in answer.get("query_set", ()):
        yield f"            query {name}={value}"
    for name in answer.get("query_remove", ()):
        yield f"            query without {name}"
    if answer.get("body"):
        yield f"            body {json.dumps(answer['body'], ensure_ascii=False)}"
    if answer["metadata"]:
        yield f"            metadata {json.dumps(answer['metadata'], ensure_ascii=False)}"


def _explanation(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"Why: {told['stage']}"
    if "saw" in told:
        yield "  saw       " + _pairs(told["saw"])
    for entry in told.get("takes", ()):
        yield "  takes     " + _pairs(entry)
    if "why_not" in told:
        yield f"  {told['why_not']}"
    if "rules" not in told:
        return
    for each in told["rules"]:
        yield from _tried(each)
    if told["cut"]:
        yield "  ... and more, which are not told"
    for error in told["errors"]:
        yield f"  ended by {error}"
    for name in told["not_asked"]:
        yield f"  {name} was not asked again: here it has no value"
    if not told["same"]:
        yield "  This evaluation by OPA came to another result than the decision above:"
        yield "  it asks nobody, looks at the clock again, and has no budget."


def _tried(tried: Mapping[str, Any]) -> Iterator[str]:
    indent = "  " * (tried["depth"] + 1)
    kind = "default " if tried["default"] else ""
    place = f"{tried['file']}:{tried['line']}"
    if tried["times"]:
        times = f", {tried['times']} times" if tried["times"] > 1 else ""
        value = f" {tried['value']}" if tried["value"] else ""
        yield f"{indent}+ {kind}{tried['rule']} ({place}) gave{value}{times}"
        return
    yield f"{indent}- {kind}{tried['rule']} ({place}) failed"
    if tried["failed"] is None:
        yield f"{indent}    before its body: it is for other arguments, or another key"
    else:
        yield from _failure(tried["failed"], indent + "    ")


def _failure(failure: Mapping[str, Any], indent: str) -> Iterator[str]:
    place = f"{failure['file']}:{failure['line']}:{failure['column']}"
    times = f" ({failure['times']} times)" if failure["times"] > 1 else ""
    error = " (a builtin failed)" if failure["error"] else ""
    yield f"{indent}{place}: {failure['text']}{times}{error}"
    for value in failure["values"]:
        yield f"{indent}  {value['name']} = {value['text']}"
    if failure["within"] is not None:
        yield from _failure(failure["within"], indent + "  ")


def _pairs(found: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {', '.join(value) if isinstance(value, list) else json.dumps(value)}"
        for name, value in found.items()
        if value is not None
    )
