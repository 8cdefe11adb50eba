"""Our service twice, over the same policies: Rego in this process, and a real OPA server."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf import json_format

from callout.config.bundle import Bundle
from callout.config.documents import read
from callout.config.problems import Rejected
from callout.config.snapshot import Snapshot, build
from callout.grpc.call import Call
from extauthz.config import AuthSection
from extauthz.plans import rego_wanted
from extauthz.policy.compiler.plans import compile_missing
from extauthz.policy.engine import UNDEFINED as NO_RESULT
from extauthz.policy.engine import PolicyFailed
from extauthz.policy.values.text import to_json
from extauthz.service import AuthorizationService
from tests.extauthz.opa_envoy.contract import ERROR, UNDEFINED, Sent
from tests.extauthz.policy.rego import CACHE
from tests.extauthz.world import NoKeys, Recorder

POLICIES = {
    path.stem: path.read_text() for path in sorted((Path(__file__).parent / "policies").iterdir())
}

AUTH = """
apiVersion: bundle/v1
kind: Policy
name: {name}
auth:
  identity: [anonymous: {{}}]
  decide: {decide}
  {words}
"""


def named(policy: str) -> str:
    """The Policy's name: Rego's packages have other letters."""
    return policy.replace("_", "-")


def bundle(decide: str, words: str, policies: Mapping[str, str] = POLICIES) -> Bundle:
    """A Policy a Rego file, chosen by name: then any of them meets any request."""
    files = {f"rego/{name}/{name}.rego": text.encode() for name, text in policies.items()}
    for name in policies:
        text = AUTH.format(
            name=name.replace("_", "-"), decide=decide.format(name=name), words=words
        )
        files[f"{name}.yaml"] = text.encode()
    return Bundle(files)


def snapshot(found: Bundle) -> Snapshot:
    wanted = rego_wanted([each.source for each in read(found, ["auth"]).policies])
    plans = compile_missing(found, wanted, CACHE, print)
    assert not isinstance(plans, Rejected), plans
    made = build(Bundle({**found.files, **plans}), [AuthSection()])
    assert isinstance(made, Snapshot), made
    return made


@dataclass
class Case:
    """One request to one policy, and all that came of it."""

    policy: str
    request: Any
    document: Mapping[str, Any] | None = None
    """Our whole input document; None: the request was refused before there was one."""
    result: Any = UNDEFINED
    """OPA's, of that document."""
    by_rego: bytes = b""
    by_opa: bytes = b""


class _Asking:
    """An engine that keeps the document, and asks a real OPA for one rule in our client's place."""

    def __init__(self, sides: "Sides", path: str) -> None:
        self._sides = sides
        self._path = path

    def decide(self, document: dict[str, Any], deadline: float | None) -> Any:
        del deadline
        case = self._sides.current
        assert case is not None
        case.document = document
        return self._ask(case)

    async def _ask(self, case: Case) -> Any:
        data = _json({"input": case.document})
        url = f"{self._sides.url}/v1/data/{self._path}"
        async with self._sides.session.post(url, data=data) as answer:
            text = await answer.text()
        if answer.status == 500:
            case.result = ERROR
            return PolicyFailed("opa_error", "the evaluation failed")
        assert answer.status == 200, text
        reply = json.loads(text, parse_float=Decimal)
        case.result = reply.get("result", UNDEFINED)
        return NO_RESULT if case.result is UNDEFINED else case.result


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except TypeError:  # exact decimals; six times slower, and half of the time of all requests
        return to_json(value).encode()


@dataclass
class Sides:
    """Use it inside a running loop; `close` ends its connections."""

    url: str
    words: str
    """More of each `auth` block: `compat: opa-envoy`."""
    policies: Mapping[str, str] = field(default_factory=lambda: POLICIES)
    current: Case | None = None

    def __post_init__(self) -> None:
        rego = "{{rego: rego/{name}, entrypoint: {name}/result}}"
        self._rego = self._service(bundle(rego, self.words, self.policies))
        self._opa = self._service(bundle("{{opa: {name}/result}}", self.words, self.policies))

    def _service(self, found: Bundle) -> AuthorizationService:
        made = snapshot(found)
        return AuthorizationService(
            lambda: made, Recorder(wants_text=False), NoKeys(), lambda path: _Asking(self, path)
        )

    async def open(self) -> None:
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8))

    async def close(self) -> None:
        await self.session.close()

    async def ask(self, cases: Sequence[Case]) -> None:
        """Fills them in; several are under way at a time."""
        await asyncio.gather(*(self._ask(case) for case in cases))

    async def _ask(self, case: Case) -> None:
        request = external_auth_pb2.CheckRequest()
        request.CopyFrom(case.request)
        request.attributes.context_extensions["policy"] = named(case.policy)
        data = request.SerializeToString()
        call = Call((), None, "test")
        by_rego = self._rego.check(data, call)
        assert isinstance(by_rego, bytes)
        case.by_rego = by_rego
        self.current = case
        by_opa = self._opa.check(data, call)
        self.current = None
        case.by_opa = by_opa if isinstance(by_opa, bytes) else await by_opa


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}")


def sent(reply: bytes) -> Sent:
    """A CheckResponse in the words of the contract; asserts what is true of every one."""
    message: Any = external_auth_pb2.CheckResponse.FromString(reply)
    metadata = json_format.MessageToDict(message.dynamic_metadata)
    assert UUID.fullmatch(metadata.pop("decision_id"))
    found = Sent(message.status.code, metadata=metadata)
    if message.status.code == 0:
        assert message.WhichOneof("http_response") == "ok_response"
        ok = message.ok_response
        found.headers = _headers(ok.headers)
        found.remove = set(ok.headers_to_remove)
        found.answer_headers = _headers(ok.response_headers_to_add)
        for each in ok.query_parameters_to_set:
            found.query.setdefault(each.key, []).append(each.value)
        found.query_remove = set(ok.query_parameters_to_remove)
    else:
        assert message.WhichOneof("http_response") == "denied_response"
        denied = message.denied_response
        found.status, found.body = denied.status.code, denied.body
        found.headers = _headers(denied.headers)
    return found


def _headers(options: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in options:
        found.setdefault(each.header.key, []).append(each.header.value)
    return found
