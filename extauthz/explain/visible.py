"""What of a request may be shown to whoever asks why: nothing that decision logs would mask.

A reference into the input is shown as the masked input has it. What a policy *made* of its input
(`lower(header)`, `split(token, ".")`) has no place there, and could be a secret in other clothes.
So such a text is shown only if it can be read off what is visible anyway: a part of some visible
text, or made of words of visible texts and of the policy; and never if it is a hidden value, or a
word of one. Whoever reads it learns nothing that the masked input, the data and the Rego do not
say. Where nothing is hidden, everything is shown.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from callout.observe.secrets import MASK, is_secret, mask_text
from extauthz.decision_logs.defaults import Masks

_WORD: Final = re.compile(r"\w+")
_PARTS: Final = re.compile(r"[\s,;=&\"']+")
_SECRET: Final = 4
"""Characters of a hidden word that no longer text may have; a shorter one is in many sentences."""
_MOST: Final = 500
"""Characters of a text that is shown."""


class Visible:
    """What may be shown of one decision."""

    def __init__(
        self, document: Mapping[str, Any], masked: object, data: object, written: Iterable[bytes]
    ) -> None:
        """Prepares.

        Args:
            document: the whole input.
            masked: the same as decision logs show it; None: nothing of it may be shown.
            data: Rego's `data`.
            written: the policy, as its author wrote it.
        """
        self._masked = masked
        event: dict[str, Any] = {"result": data}
        Masks().mask(event)
        seen = [*_texts(masked), *_texts(event["result"])]
        self._seen = "\n".join(seen).lower()
        policy = b"\n".join(written).decode(errors="replace").lower()
        self._words = frozenset(_WORD.findall(self._seen)) | frozenset(_WORD.findall(policy))
        hidden = [*_hidden(document, masked), *_hidden(data, event["result"])]
        self._hidden = frozenset(
            part.lower() for text in hidden for part in (text, *_PARTS.split(text)) if part
        ) - {"bearer", "basic"}
        self.hides = bool(self._hidden)
        """Whether anything is hidden."""

    def at(self, path: Sequence[str | int]) -> Any:
        """The value of the input at a path, as decision logs show it."""
        found: Any = self._masked
        for step in path:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return MASK
        return _short(found)

    def made(self, value: Any, name: str = "") -> Any:
        """A value that the policy made, with all that may not be shown replaced by `***`."""
        if isinstance(value, Mapping):
            return {
                str(self.made(str(key))): self.made(each, str(key)) for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.made(each, name) for each in value]
        if value is None or isinstance(value, bool):
            return value
        if name and is_secret(name) and name not in ("body", "headers"):
            return MASK
        text = value if isinstance(value, str) else str(value)
        if not self._may(text):
            return MASK
        return _short(mask_text(value)) if isinstance(value, str) else value

    def _may(self, text: str) -> bool:
        if not self.hides or not text:
            return True
        lower = text.lower()
        if lower in self._hidden:
            return False
        if any(len(part) >= _SECRET and part in self._hidden for part in _PARTS.split(lower)):
            return False
        if lower in self._seen:
            return True
        words = _WORD.findall(lower)
        return bool(words) and self._words.issuperset(words)


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MOST:
        return f"{value[:_MOST]}..."
    return value


def _texts(value: object) -> Iterator[str]:
    """All texts, numbers and names in a value."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield str(name)
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        yield str(value)


def _hidden(whole: object, masked: object) -> Iterator[str]:
    """What the whole has and the masked one has not: texts, numbers and names."""
    if isinstance(whole, Mapping):
        shown = masked if isinstance(masked, Mapping) else {}
        for name, each in whole.items():
            if name in shown:
                yield from _hidden(each, shown[name])
            else:
                yield from _texts(each)
    elif isinstance(whole, list):
        items = masked if isinstance(masked, list) and len(masked) == len(whole) else [None]
        for index, each in enumerate(whole):
            yield from _hidden(each, items[index % len(items)])
    elif whole != masked:
        yield from _texts(whole)
