"""A real OPA and Gatewright with the same configuration, beside each other."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callout.testing import tools
from callout.testing.ports import free_port
from callout.testing.process import Process
from callout.testing.requests import check_request
from tests.end_to_end.conftest import until as poll
from tests.end_to_end.serve import Serve
from tests.extauthz.opa.service import ManagementService

FOLLOWED_WITHIN = 60.0
"""Seconds until both have seen what was published; they ask every second."""
POLLING = {"min_delay_seconds": 1, "max_delay_seconds": 1}


def source(name: str, **more: Any) -> dict[str, Any]:
    """The configuration of one bundle."""
    return {"resource": f"bundles/{name}.tar.gz", "polling": POLLING, **more}


class Pair:
    """Both of them, with the service that they ask."""

    def __init__(
        self,
        folder: Path,
        service: ManagementService,
        bundles: Mapping[str, Mapping[str, Any]],
        *,
        keys: Mapping[str, Any] | None = None,
        credentials: Mapping[str, Any] | None = None,
        tls: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Starts them; does not wait until anything is active."""
        self._environ = environ
        self.folder = folder
        self.service = service
        acme: dict[str, Any] = {"url": service.url}
        if credentials is not None:
            acme["credentials"] = credentials
        if tls is not None:
            acme["tls"] = tls
        self._config = {"services": {"acme": acme}, "bundles": bundles, "status": {}}
        if keys is not None:
            self._config["keys"] = keys
        self.start()

    def start(self) -> None:
        """Starts both; after `close`, again."""
        plugin = {"plugins": {"envoy_ext_authz_grpc": {"addr": "127.0.0.1:0"}}}
        ours = self._written("gatewright", plugin)
        # OPA itself does not know its plugin.
        its = self._written("opa", {})
        self._port = free_port()
        self._opa = Process(
            [
                *(tools.require("opa"), "run", "--server", "--disable-telemetry", "-c", its),
                *("--addr", f"127.0.0.1:{self._port}", "--log-level", "error"),
            ],
            self.folder / "opa.log",
            self._answers,
            self._environ,
        )
        flags = ["--opa-envoy-config", str(ours), "--workers", "1"]
        try:
            self.serve = Serve(self.folder, None, *flags, environ=self._environ, wait=False)
        except BaseException:
            self._opa.kill()
            raise

    def close(self) -> None:
        """Ends both."""
        self.serve.close()
        self._opa.kill()

    # --- what each says ---

    def its_answer(self, path: str = "/") -> Any:
        """OPA's decision about a GET, by the parts of the input that our policies read."""
        document = {"attributes": {"request": {"http": {"method": "GET", "path": path}}}}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/v1/data/envoy/authz/allow",
            json.dumps({"input": document}).encode(),
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer).get("result")

    def our_answer(self, path: str = "/") -> Any:
        """Our answer to the same as OPA's would be: False, or an object with its headers."""
        with self.serve.client() as client:
            response = client.check(check_request(path=path))
        if response.status.code != 0:
            return False
        headers = response.ok_response.headers
        found = {each.header.key: each.header.value for each in headers}
        return {"allowed": True, "headers": found}

    def its_status(self, name: str) -> dict[str, Any]:
        """What OPA reported last of a bundle."""
        return self._status("opa", name)

    def our_status(self, name: str) -> dict[str, Any]:
        """What we reported last of a bundle."""
        return self._status("gatewright", name)

    def both(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both reports of a bundle: OPA's and ours."""
        return self.its_status(name), self.our_status(name)

    def until_active(self, name: str, revision: str) -> None:
        """Returns when both have reported that they use this revision."""

        def active() -> bool:
            reports = self.both(name)
            return all(each.get("active_revision") == revision for each in reports)

        self.until(active)
        self.until(self._is_used)

    def _is_used(self) -> bool:
        """Whether our workers decide by what the supervising process has activated."""
        found = self.serve.config()
        return set(found["workers"].values()) == {found["digest"]}

    def until_refused(self, name: str) -> None:
        """Returns when both have reported that what came last is not used."""
        self.until(lambda: all(each.get("code") == "bundle_error" for each in self.both(name)))

    def until(self, condition: Any) -> None:
        try:
            poll(condition, FOLLOWED_WITHIN)
        except BaseException as error:
            error.add_note(f"{self.service.statuses[-2:]}\n{self.serve.log}\n{self._opa.logs}")
            raise

    def report(self, who: str) -> dict[str, Any]:
        """The last report of `opa` or `gatewright`, whole."""
        for each in reversed(self.service.statuses):
            if each["labels"].get("who") == who:
                return each
        return {}

    def _status(self, who: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = (self.report(who).get("bundles") or {}).get(name) or {}
        return found

    def _written(self, who: str, more: Mapping[str, Any]) -> Path:
        path = self.folder / f"{who}.json"
        where = {"persistence_directory": str(self.folder / f"kept-{who}")}
        path.write_text(json.dumps({**self._config, "labels": {"who": who}, **where, **more}))
        return path

    def _answers(self) -> bool:
        url = f"http://127.0.0.1:{self._port}/health"
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
