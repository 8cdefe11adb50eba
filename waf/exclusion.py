"""The line of a rule file that keeps one rule from what it has matched, and from nothing else."""

import re
import string
from collections.abc import Sequence
from typing import Final

from waf.state import Found

_PLAIN: Final = re.compile(rb"[A-Za-z0-9_$@.\[\]-]+")
_INDEX: Final = re.compile(rb"(?<=\.)[0-9]+(?=\.|\Z)")
_ESCAPES: Final = {
    **{ord(each): each for each in string.ascii_letters + string.digits + "_-"},
    **{ord(each): "\\" + each for each in ".[]$"},
}


def exclusion(rule: int, found: Sequence[Found]) -> str | None:
    """To be written below the rule.

    Args:
        rule: its id.
        found: what it matched, without the links of its chain: those are not excluded from.

    Returns:
        None: it matched what other rules wrote, such as a score: those are to be kept from it.
    """
    if found and all(each.collection == "TX" for each in found):
        return None
    if not found or any(each.collection.startswith("&") for each in found):
        # It says that something is there, or is not: there is no value to be kept from.
        return f"SecRuleRemoveById {rule}"
    targets = dict.fromkeys(_target(each) for each in found if each.collection != "TX")
    return f'SecRuleUpdateTargetById {rule} "{",".join("!" + each for each in targets)}"'


def _target(found: Found) -> str:
    key = found.key
    if key is None:
        return found.collection
    if found.collection == "XML":
        return f"XML:{key.decode()}"
    if found.collection.startswith("ARGS") and key.startswith(b"json.") and _INDEX.search(key):
        # The others of the same array, too: the next document has it elsewhere.
        pieces = (_escaped(piece) for piece in _INDEX.split(key))
        return f"{found.collection}:/^{'[0-9]+'.join(pieces)}$/"
    if _PLAIN.fullmatch(key):
        return f"{found.collection}:{key.decode()}"
    return f"{found.collection}:/^{_escaped(key)}$/"


def _escaped(text: bytes) -> str:
    """As a regular expression over bytes, in which nothing ends a target, a word or a line."""
    return "".join(_ESCAPES.get(byte, f"\\x{byte:02x}") for byte in text)
