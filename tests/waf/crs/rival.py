"""ModSecurity 3 with the same rules, by its Python package: which of them log for a request."""

from pathlib import Path
from typing import Final

import libmodsecurity

from tests.waf.crs.cases import Sent
from tests.waf.crs.server import respond

# With PCRE's limits as they are by default it gives up on some patterns, and misses attacks.
_LIMITS: Final = "SecPcreMatchLimit 500000\nSecPcreMatchLimitRecursion 500000\n"


class Rival:
    """An engine with its rules; used for one request at a time."""

    def __init__(self, files: dict[str, bytes], folder: Path) -> None:
        """Loads the rules, which it reads from files only.

        Args:
            files: as of `run.files`.
            folder: where they are put.
        """
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        main = _LIMITS + files["main.conf"].decode()
        (folder / "main.conf").write_text(main.replace("Include ", f"Include {folder}/"))
        self._logged: list[int] = []
        self.engine = libmodsecurity.ModSecurity()
        self.engine.set_rule_message_callback(lambda message: self._logged.append(message.rule_id))
        self.rules = libmodsecurity.RulesSet()
        loaded = self.rules.load_from_uri(str(folder / "main.conf"))
        assert loaded > 0, self.rules.get_parser_error()

    def close(self) -> None:
        """Lets go of what hears of matches."""
        self.engine.set_rule_message_callback(None)

    def ask(self, sent: Sent) -> set[int]:
        """Ids of the rules that log, of all phases."""
        self._logged.clear()
        transaction = libmodsecurity.Transaction(self.engine, self.rules)
        transaction.process_connection("127.0.0.1", 40000, "127.0.0.1", 80)
        version = sent.version.decode().removeprefix("HTTP/")
        transaction.process_uri(sent.target.decode(), sent.method.decode(), version)
        for name, value in sent.fields:
            transaction.add_request_header(name.decode(), value.decode())
        transaction.process_request_headers()
        transaction.append_request_body(sent.body)
        transaction.process_request_body()
        response, body = respond(sent)
        for name, value in response.headers:
            transaction.add_response_header(name.decode(), value.decode())
        transaction.process_response_headers(response.status, "HTTP/1.1")
        transaction.append_response_body(body)
        transaction.process_response_body()
        transaction.process_logging()
        return set(self._logged)
