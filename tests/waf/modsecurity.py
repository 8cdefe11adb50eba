"""ModSecurity 3 itself, by its Python package: which rules match a value."""

import contextlib
from collections.abc import Callable, Iterator

import libmodsecurity


@contextlib.contextmanager
def modsecurity(*rules: str) -> Iterator[Callable[[bytes], dict[int, str]]]:
    """Ask rules of phase 1 about a value, which they find in hexadecimal in `ARGS:v`.

    The answer is the logdata of the rules that match, by their ids.
    """
    given: dict[int, str] = {}

    def hear(message: libmodsecurity.RuleMessage) -> None:
        given[message.rule_id] = message.data

    engine = libmodsecurity.ModSecurity()
    engine.set_rule_message_callback(hear)
    loaded = libmodsecurity.RulesSet()
    assert loaded.load("\n".join(("SecRuleEngine On", *rules))) == len(rules), (
        loaded.get_parser_error()
    )

    def ask(value: bytes) -> dict[int, str]:
        given.clear()
        transaction = libmodsecurity.Transaction(engine, loaded)
        transaction.process_connection("192.0.2.1", 1, "192.0.2.2", 80)
        transaction.process_uri(f"/?v={value.hex()}", "GET", "1.1")
        transaction.process_request_headers()
        return dict(given)

    try:
        yield ask
    finally:
        engine.set_rule_message_callback(None)
