"""One decision, as it is counted and shown; and the contract of whoever is told of it."""

from typing import Literal, NamedTuple, Protocol, TypeAlias

Verdict: TypeAlias = Literal["allow", "deny", "error"]
"""`deny` is a refusal by policy; `error` is our own failure, whatever the caller was told."""


class Decision(NamedTuple):
    """What was decided about one request. Holds no credential and no body."""

    face: str
    """`authz` or `limit`."""
    verdict: Verdict
    policy: str
    """The name of the effective policy, or of the rate limit domain; empty: none applied."""
    reason: str
    """A stable word for metrics: `rego`, `no_credential`, `over_limit`; never request text."""
    who: str
    """The subject, or `anonymous`; may be an address for a limit. Request data: log only."""
    what: str
    """`GET shop.example/api/orders`; request data, bounded: log only."""
    seconds: float
    """How long it took."""
    shadow: bool = False
    """True when the request was let through although `verdict` says otherwise."""
    detail: str = ""
    """What a person needs beside the reason: the limit's name, the rule. Request data: log only."""
    id: str = ""
    """Of this decision, as Envoy is told it; empty where nobody is told one."""
    digest: str = ""
    """Of the snapshot that it was decided by; empty: by none."""
    trace: str = ""
    """The trace that it belongs to, 32 hexadecimal digits; empty: not traced."""
    sample: float = 0.0
    """The share of its like that is shown, and this one is; 0: this one is not."""


class Observer(Protocol):
    """Is told of each decision. Must be cheap, and must not raise."""

    def decided(self, decision: Decision) -> None:
        """Count it, and show it if someone looks."""
        ...

    @property
    def wants_text(self) -> bool:
        """Whether anybody looks at texts: if not, services need not ask `sample`."""
        ...

    def sample(
        self, face: str, verdict: Verdict, policy: str, reason: str, seconds: float
    ) -> float:
        """Chooses whether this decision is shown; goes into `Decision.sample`.

        Asked before its texts are made, for they cost more than the choice.

        Returns:
            The share of such decisions that are shown; 0: not this one.
        """
        ...
