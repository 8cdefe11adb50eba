"""CheckResponse bytes out: with `envoy`, which reads, all that knows of protobuf.

Chapter 5 of extauthz.md, what Envoy does with an answer, decides every line here. Above all: an
*empty* CheckResponse is an allowance, so one function builds them all, and starts from a denial.
"""

from functools import lru_cache
from string import punctuation
from typing import Any, Final
from urllib.parse import quote

from envoy.service.auth.v3 import external_auth_pb2

from callout.config.written import STATUSES
from callout.grpc.call import Code
from extauthz.header_rules import FRAMING, REQUEST_LINE, is_name, is_value, why_not_settable
from extauthz.outcome import Allow, Deny, Headers

_OK: Final = int(Code.OK)
_DENIED: Final = int(Code.PERMISSION_DENIED)

OUR_METADATA = frozenset({"policy", "id", "decision_id"})
"""Names in the dynamic metadata that later filters trust."""
_DECISION_ID = frozenset({"decision_id"})
"""The only one that is the plugin's own; what becomes of the others, `decide.conclude` says."""

_UNSAFE = Deny("unsafe_answer", 500)
_SMALL = 4096
"""Characters of an answer that is worth remembering."""


def respond(sent: Allow | Deny, policy: str, identity: str, decision_id: str) -> bytes:
    """Build the CheckResponse, every one of them.

    Args:
        sent: the answer. Only an `Allow` gives the status OK; an `Allow` that holds something
            that Envoy must not be told to do becomes a denial.
        policy: the effective policy's name, for the dynamic metadata; empty: none.
        identity: the encoded identity fields, for the dynamic metadata; empty: none.
        decision_id: `DECISION_ID_LENGTH` ASCII characters.

    Returns:
        The serialized message. What repeats from request to request is remembered (1 us instead
        of 8 to 20); the policy's name and the decision's id are pieces of the same message of
        their own: protobuf merges what is concatenated ("Last One Wins", maps united). So 10,000
        policies with the same answer need one remembered.
    """
    if sent.metadata is None and (type(sent) is Allow or len(sent.body) < _SMALL):
        whole = _remembered(type(sent) is Allow, sent, identity)
        if policy:
            whole += _policy_parts.get(policy) or _policy_part(policy)
    else:
        whole = _build(sent, policy, identity)
    return whole + _ID_PREFIX + decision_id.encode("ascii")


@lru_cache(maxsize=1024)
def _remembered(_is_allow: bool, sent: Allow | Deny, identity: str) -> bytes:
    # `_is_allow` keeps the two apart: named tuples of equal content are equal to each other
    return _build(sent, "", identity)


def _policy_part(policy: str) -> bytes:
    """The policy's name in the dynamic metadata, and nothing else."""
    part = external_auth_pb2.CheckResponse()
    part.dynamic_metadata.fields["policy"].string_value = policy
    data: bytes = part.SerializeToString()
    if len(_policy_parts) >= _PARTS_MOST:
        _policy_parts.clear()
    _policy_parts[policy] = data
    return data


_PARTS_MOST: Final = 65_536
_policy_parts: dict[str, bytes] = {}
"""Those made so far. A plain table: an `lru_cache` also writes to the neighbours of what it finds,
and with 10,000 policies none of them is in a cache of the processor."""


def _build(sent: Allow | Deny, policy: str, identity: str) -> bytes:
    response = external_auth_pb2.CheckResponse()
    response.status.code = _DENIED  # first, and for everything: zero would be an allowance
    if type(sent) not in (Allow, Deny) or not _is_safe(sent):
        sent = _UNSAFE
    if type(sent) is Allow:
        _allow(response, sent)
        response.status.code = _OK
    else:
        _deny(response, sent)
    metadata = response.dynamic_metadata
    if sent.metadata is not None:
        # without our own names: no policy output may say who the caller is
        ours = _DECISION_ID if sent.compat else OUR_METADATA
        metadata.update({name: sent.metadata[name] for name in sent.metadata.keys() - ours})
    if policy and "policy" not in metadata.fields:
        metadata.fields["policy"].string_value = policy
    if identity and "id" not in metadata.fields:
        metadata.fields["id"].string_value = identity
    data: bytes = response.SerializeToString()
    return data


def _allow(response: Any, sent: Allow) -> None:
    ok = response.ok_response
    ok.SetInParent()
    before: set[str] = set()
    for name, value in sent.headers:
        # both words for it: old Envoys read `append`, new ones `append_action`, whose zero value
        # would append to what a client sent (5.6)
        option = ok.headers.add()
        option.header.key = name
        option.header.value = value
        option.append.value = False
        # a name again, under `compat`: old Envoys keep the last, as they do for the plugin
        option.append_action = _APPEND if name in before else _OVERWRITE
        before.add(name)
    ok.headers_to_remove.extend(sent.remove)
    for name, value in sent.response_headers:
        option = ok.response_headers_to_add.add()
        option.header.key = name
        option.header.value = value
        # unset means a second line beside the upstream's own (5.7); cookies are meant to be so
        beside = sent.compat or name == "set-cookie"
        option.append_action = _APPEND if beside else _OVERWRITE
    # Envoy pastes them as they are: `x&y=z` would be two parameters (5.11). The plugin does not
    # mind, and policies written for it encode for themselves
    safe = punctuation if sent.compat else ""
    for name, value in sent.query_set:
        parameter = ok.query_parameters_to_set.add()
        parameter.key = quote(name, safe=safe)
        parameter.value = quote(value, safe=safe)
    ok.query_parameters_to_remove.extend(quote(name, safe=safe) for name in sent.query_remove)


def _deny(response: Any, sent: Deny) -> None:
    denied = response.denied_response
    denied.status.code = sent.status
    for name, value in sent.headers:
        option = denied.headers.add()
        option.header.key = name
        option.header.value = value
        option.append_action = _APPEND
    denied.body = sent.body


_ACTIONS = external_auth_pb2.OkHttpResponse.DESCRIPTOR.fields_by_name[
    "headers"
].message_type.enum_types_by_name["HeaderAppendAction"]
_APPEND: Final = _ACTIONS.values_by_name["APPEND_IF_EXISTS_OR_ADD"].number
_OVERWRITE: Final = _ACTIONS.values_by_name["OVERWRITE_IF_EXISTS_OR_ADD"].number


def _is_safe(sent: Allow | Deny) -> bool:
    """The last look at what policies wrote; `result` has said so already, in better words."""
    compat = sent.compat
    if type(sent) is Deny:
        return sent.status in STATUSES and _are_safe(sent.headers, compat) and _has_utf8(sent.body)
    names = [name for name, _ in sent.headers]
    return (
        _are_safe(sent.headers, compat, REQUEST_LINE)
        and _are_safe(sent.response_headers, compat)
        and (compat or len(set(names)) == len(names))
        and not set(names) & set(sent.remove)  # removal would win, after setting (5.8)
        and all(name and _has_utf8(name) for name in sent.remove)
        and all(_has_utf8(name + value) for name, value in sent.query_set)
        and all(map(_has_utf8, sent.query_remove))
    )


def _are_safe(headers: Headers, compat: bool, besides: frozenset[str] = frozenset()) -> bool:
    return all(
        name == name.lower()
        and is_value(value)
        and (
            (is_name(name) and name not in FRAMING) or name in besides
            if compat
            else not why_not_settable(name)
        )
        for name, value in headers
    )


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


DECISION_ID_LENGTH: Final = 36
"""Characters; constant, so that the piece that holds it has constant lengths."""


def _id_prefix() -> bytes:
    piece = external_auth_pb2.CheckResponse()
    piece.dynamic_metadata.fields["decision_id"].string_value = "0" * DECISION_ID_LENGTH
    data: bytes = piece.SerializeToString()
    return data[:-DECISION_ID_LENGTH]


_ID_PREFIX: Final = _id_prefix()
