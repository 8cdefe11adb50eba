"""Every case of h2spec (RFC 9113 and RFC 7541 as a client sees them) against our own transport."""

import asyncio
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

from callout.serve.address import Address, parse
from callout.serve.options import ServeOptions
from callout.serve.server import serve
from callout.testing.tools import require

CASES = 146
"""Of its groups generic, http2 and hpack, with `--strict`; no case is left out."""


async def test_every_case_passes_and_none_is_skipped(tmp_path: Path) -> None:
    h2spec = require("h2spec")
    report = tmp_path / "report.xml"
    server = await serve([], [Address("127.0.0.1", 0)], ServeOptions())
    address = parse(server.addresses[0])
    command = [h2spec, "-h", address.host, "-p", str(address.port), "--strict", "-o", "5"]
    command += ["-j", report, "generic", "http2", "hpack"]
    try:
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=100, check=False
        )
    finally:
        await server.close()

    suites = ET.parse(report).getroot().findall("testsuite")
    cases = [case for suite in suites for case in suite.findall("testcase")]
    failed = [case.get("classname") for case in cases if case.find("failure") is not None]
    skipped = [case.get("classname") for case in cases if case.find("skipped") is not None]
    assert (failed, skipped) == ([], [])
    assert len(cases) == CASES
    assert f"{CASES} tests, {CASES} passed, 0 skipped, 0 failed" in done.stdout
    assert done.returncode == 0
    groups = {str(suite.get("package")).partition("/")[0] for suite in suites}
    assert groups == {"generic", "http2", "hpack"}
