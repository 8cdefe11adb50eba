"""The contract of whoever decides by a written policy: Rego in this process, or an OPA server."""

from collections.abc import Awaitable
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, final


@final
class Undefined:
    """The type of `UNDEFINED`: no rule gave a value. Not `None`, which is Rego's `null`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "undefined"

    def __bool__(self) -> bool:
        """An undefined answer is never an allowance, also where someone only tests its truth."""
        return False


UNDEFINED: Final = Undefined()
"""The entrypoint has no value for this input. Whoever asked must deny."""


class PolicyFailed(NamedTuple):
    """Our own failure to decide: never an allowance, and not a refusal by policy either."""

    reason: str
    """A stable word for metrics: `rego_error`, `rego_too_deep`, `opa_unavailable`..."""
    message: str
    """For the log. Holds no request data."""
    unanswered: bool = False
    """Whether somebody whom we asked did not answer; not what the policy makes of a request."""


Answer: TypeAlias = object
"""What the entrypoint gave: JSON values with exact numbers (`int`, `decimal.Decimal`, never
`float`), or `UNDEFINED`; or a `PolicyFailed`. Belongs to the engine: read it, do not change it."""


class Engine(Protocol):
    """Decides about one input document. Never raises."""

    def decide(
        self, document: dict[str, Any], deadline: float | None
    ) -> Answer | PolicyFailed | Awaitable[Answer | PolicyFailed]:
        """Give the entrypoint's value for `document`.

        Args:
            document: Rego's `input`: `dict` (string keys), `list`, `str`, `int`, `Decimal`,
                `bool`, `None`; no `float`, since binary fractions break Rego's equality.
                Never changed.
            deadline: when the answer is worth nothing any more, in seconds of the event loop's
                clock; `None`: no bound. An engine that answers at once may ignore it.

        Returns:
            The value at once (Rego in this process), or an awaitable of it (an OPA server).
        """
        ...
