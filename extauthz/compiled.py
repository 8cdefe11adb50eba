"""A policy's `auth` block, checked and ready: what `config` makes and `decide` reads."""

from dataclasses import dataclass, field
from typing import TypeAlias

from extauthz.cache.rules import CacheRules
from extauthz.decision_logs.log_rules import LogRules
from extauthz.identity.contract import Identifier
from extauthz.input import InputBuilder
from extauthz.policy.engine import Engine


@dataclass(frozen=True, slots=True)
class Authenticated:
    """`decide: authenticated`: whoever was verified may; `anonymous` was not."""


@dataclass(frozen=True, slots=True)
class ByRego:
    """`decide: {rego: ...}`: asked in this process."""

    engine: Engine
    builder: InputBuilder
    entrypoint: str = ""
    """The rule that decides, as the policy names it: `shop/allow`."""
    log_rules: LogRules | None = None
    """What the same Rego says of decision logs; None: nothing."""


@dataclass(frozen=True, slots=True)
class ByOpa:
    """`decide: {opa: a/b}`: an OPA server is asked; settings say which."""

    path: str
    """Of the document, without `data`: `shop/allow`."""
    builder: InputBuilder = field(default_factory=InputBuilder)


Decider: TypeAlias = Authenticated | ByRego | ByOpa


@dataclass(frozen=True, slots=True)
class CompiledAuth:
    """One effective `auth` block."""

    identity: tuple[Identifier, ...]
    """In the order in which they are tried."""
    scope: str
    """The entries by their content, keys of the bundle included: names what verified a token."""
    takes_tokens: bool
    """Whether some entry looks for a bearer token; if none does, a token is no credential."""
    decider: Decider
    emit: tuple[tuple[str, str], ...]
    """Header (lower case) and identity field."""
    on_error: int | None
    """HTTP status of the denial when we could not decide; None: let the request pass."""
    compat: bool = False
    """`compat: opa-envoy`: input and result are exactly that plugin's."""
    cache: CacheRules | None = None
    """How its decisions are remembered; None: not."""
