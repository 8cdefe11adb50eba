"""What a verified identity becomes: request headers, and the fields that later filters get.

All headers that *any* policy of the snapshot emits are ours on every request: set from the
verified claims, or taken off. Otherwise a client could send `x-user` to a route whose policy
emits nothing, and the upstream would believe it (extauthz.md 6).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from operator import add
from typing import Any, NamedTuple

from callout.config.identity import encode
from extauthz.header_rules import is_value
from extauthz.identity.contract import Identity
from extauthz.outcome import Headers


@dataclass(frozen=True, slots=True)
class AuthPart:
    """What the bundle as a whole says of identity."""

    emitted: tuple[str, ...]
    """All headers that some policy emits, lower case, sorted."""
    fields: tuple[str, ...]
    """Identity fields that some policy's `by` or `emit` uses, sorted."""
    aliases: tuple[str, ...] = ()
    """Other spellings of `emitted`; see `aliases`."""
    trusted: bool = True
    """Whether some policy has limits or uses an identity: then `policy` and `id` of the dynamic
    metadata are believed, and nobody else may write them."""

    ours: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """All headers that nobody else may set."""
    nobody: "Emission" = field(init=False, repr=False, compare=False)
    """What becomes of no identity: everything that is ours is taken off. Made once: 0.5 us less of
    every request."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ours", self.emitted + self.aliases)
        object.__setattr__(self, "nobody", Emission((), self.ours, ""))


_HYPHENS_MOST = 5


def aliases(emitted: Iterable[str]) -> tuple[str, ...]:
    """Names that an upstream may take for one of `emitted`.

    CGI, WSGI and PHP know both `x-user` and `x_user` as `HTTP_X_USER`, and Envoy lets both
    through. Of a name with more than five hyphens only the one without any.
    """
    names = frozenset(emitted)
    found: set[str] = set()
    for name in names:
        parts = name.replace("_", "-").split("-")
        if len(parts) - 1 > _HYPHENS_MOST:
            found.add(name.replace("-", "_"))
            continue
        for marks in product("-_", repeat=len(parts) - 1):
            found.add(parts[0] + "".join(map(add, marks, parts[1:])))
    return tuple(sorted(found - names))


class Emission(NamedTuple):
    """An identity, as others get to see it."""

    headers: Headers
    remove: tuple[str, ...]
    fields: str
    """The one string of dynamic metadata `id`; empty when there is nothing to say."""


def emission(
    identity: Identity, table: tuple[tuple[str, str], ...], part: AuthPart
) -> Emission | None:
    """Make headers and metadata of `identity`.

    Args:
        identity: whoever was verified, or the anonymous one.
        table: header and identity field, the policy's `emit`.
        part: the snapshot's.

    Returns:
        None when a claim has characters that no header can carry, or spaces around it: it must
        not be sent, and leaving it out would say that there is none.
    """
    claims = identity.claims
    if claims is None:
        return part.nobody
    if identity.memo:
        # the requests of one token mostly meet one policy: 3 us saved
        for_table, for_part, made = identity.memo[0]
        if for_table is table and for_part is part:
            remembered: Emission | None = made
            return remembered
    made = _made(claims, table, part)
    identity.memo[:] = [(table, part, made)]
    return made


def _made(
    claims: Mapping[str, Any], table: tuple[tuple[str, str], ...], part: AuthPart
) -> Emission | None:
    headers = []
    for header, name in table:
        value = field_text(claims, name)
        if value:
            # whoever reads the header trims it: ` alice` must not become `alice`
            if not is_value(value) or value.strip(" \t") != value:
                return None
            headers.append((header, value))
    fields = {name: text for name in part.fields if (text := field_text(claims, name))}
    mine = {header for header, _ in headers}
    return Emission(
        tuple(headers),
        tuple(name for name in part.ours if name not in mine),
        encode(fields) if fields else "",
    )


def field_text(claims: Mapping[str, Any], name: str) -> str:
    """The identity field `name` as a text; empty when there is none.

    A claim of exactly that name comes first (`https://idp.example/tenant`), then dots lead into
    objects (`org.id`). Texts, numbers and booleans have a text; lists and objects do not: joined
    with some separator, a value that holds it could pass for two.
    """
    value: Any = claims.get(name)
    if value is None and "." in name:
        value = claims
        for step in name.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    return ""
