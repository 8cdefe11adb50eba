"""`python -m extauthz.policy.compiler.worker WASM CACHE`: runs OPA's compiler as WebAssembly.

Requests come on standard input, answers go to standard output (see `opa_compiler/main.go`). The
module gets no folder and no network: WASI gives it only two files, its own input and output.
"""

import hashlib
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import wasmtime


def main(program: Path, cache: Path) -> int:
    """Run it once; the exit code is the program's."""
    engine = wasmtime.Engine()
    module = _module(engine, program, cache)
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "in"), Path(folder, "out")
        asked.write_bytes(sys.stdin.buffer.read())
        wasi = wasmtime.WasiConfig()
        wasi.argv = ("opa_compiler",)
        wasi.stdin_file = str(asked)
        wasi.stdout_file = str(answered)
        wasi.inherit_stderr()
        store = wasmtime.Store(engine)
        store.set_wasi(wasi)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        start = linker.instantiate(store, module).exports(store)["_start"]
        assert isinstance(start, wasmtime.Func)  # noqa: S101
        code = 0
        try:
            start(store)
        except wasmtime.ExitTrap as trap:
            code = trap.code
        sys.stdout.buffer.write(answered.read_bytes())
    return code


def _module(engine: wasmtime.Engine, program: Path, cache: Path) -> wasmtime.Module:
    """The translated module, kept: translating takes 15 s on two cores, loading milliseconds."""
    data = program.read_bytes()
    name = hashlib.sha256(data).hexdigest()[:16]
    kept = cache / f"opa_compiler-{name}-{os.uname().machine}-{version('wasmtime')}.cwasm"
    try:
        return wasmtime.Module.deserialize_file(engine, str(kept))
    except (wasmtime.WasmtimeError, OSError):
        pass  # not there, or of another machine
    module = wasmtime.Module(engine, data)
    cache.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(dir=cache, prefix=".fresh-")
    with os.fdopen(handle, "wb") as file:
        file.write(module.serialize())
    Path(fresh).replace(kept)
    return module


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
