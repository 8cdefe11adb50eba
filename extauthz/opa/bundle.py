"""One of OPA's bundles: read, verified, and checked as far as it stands alone. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from extauthz.opa import roots as bundle_roots
from extauthz.opa import signatures
from extauthz.opa.patch import Operation, patched, read_operations
from extauthz.opa.problems import BundleRefused
from extauthz.opa.settings import Key, Signing
from extauthz.opa.structured import MANIFEST, YAML, read_structured

SIGNATURES: Final = ".signatures.json"
PATCH: Final = "patch.json"
MANIFEST_PROTO: Final = ".manifest.pb"
_NOT_REQUIRED: Final = Signing()
_PACKAGE: Final = re.compile(
    rb"(?:\s|#[^\n]*(?:\n|\Z))*+package\s+([A-Za-z_][\w]*(?:\.\w+|\[\"[^\"\\\n]*\"\])*)"
)
_STEP: Final = re.compile(rb"(\w+)|\[\"([^\"]*)\"\]")


@dataclass(frozen=True)
class Trust:
    """How a bundle is verified."""

    signing: Signing | None
    """None: a signature is verified if there is one."""
    keys: Mapping[str, Key]


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself."""

    revision: str
    roots: tuple[str, ...]
    """Without slashes at the ends; the empty one is all of `data`."""
    written: Mapping[str, Any]
    """As policies see it at `data.system.bundles.NAME.manifest`."""


@dataclass(frozen=True)
class OpaBundle:
    """A bundle that may be activated."""

    manifest: Manifest
    data: Mapping[str, Any]
    """What all its data files say, merged; never changed."""
    modules: Mapping[str, bytes]
    """Rego by path, without a slash at the beginning."""
    plan: bytes | None = None
    """`plan.json`, where the bundle brings no Rego: of `opa build -t plan`."""
    etag: str = ""
    """The service's name for this state."""
    type: Literal["snapshot", "delta"] = "snapshot"
    size: int = 0
    """Bytes that were downloaded."""

    @property
    def revision(self) -> str:
        """Its author's name for this state."""
        return self.manifest.revision


@dataclass(frozen=True)
class Delta:
    """Changes of the data of a bundle that is active."""

    manifest: Manifest
    operations: tuple[Operation, ...]

    def applied_to(self, base: OpaBundle, etag: str, size: int) -> OpaBundle:
        """The bundle that it makes of another.

        Raises:
            BundleRefused: it is for other roots, or does not fit the data.
        """
        if set(self.manifest.roots) != set(base.manifest.roots):
            raise BundleRefused("the delta's manifest roots are different from the bundle's")
        data = patched(base.data, self.operations)
        manifest = self.manifest
        return replace(base, manifest=manifest, data=data, etag=etag, type="delta", size=size)


def read_bundle(
    files: Mapping[str, bytes], trust: Trust, etag: str = "", size: int = 0
) -> OpaBundle | Delta:
    """Reads the files of one bundle.

    Args:
        files: by path, without a slash at the beginning.
        trust: who must have signed it.
        etag: the service's name for this state.
        size: bytes that were downloaded.

    Raises:
        BundleRefused: it is not signed as it must be, is broken, or reaches beyond its roots.
    """
    is_delta = any(_name(path) == PATCH for path in files)
    if is_delta and trust.signing and not trust.signing.allow_unsigned_delta_bundles:
        raise BundleRefused("delta bundles do not support signature verification")
    if not is_delta:
        _verify(files, trust)
    manifest = _manifest(files)
    data: dict[str, Any] = {}
    modules: dict[str, bytes] = {}
    for path, content in files.items():
        if path.endswith(".rego"):
            modules[path] = content
            _check_package(path, content, manifest)
        elif _name(path) in ("data.json", *YAML):
            _insert(data, path, read_structured(path, content))
        elif _name(path) == "policy.wasm" and not is_delta:
            raise BundleRefused(f"{path}: WebAssembly is not supported: bring the Rego")
    if is_delta:
        if data or modules:
            raise BundleRefused("delta bundle expected to contain only patch file")
        return _delta(files, manifest)
    outside = bundle_roots.outside(manifest.roots, data)
    if outside is not None:
        raise BundleRefused(f"manifest roots {_shown(manifest)} do not permit data at {outside}")
    plan = None if modules else files.get("plan.json")
    return OpaBundle(manifest, data, modules, plan, etag, "snapshot", size)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _shown(manifest: Manifest) -> str:
    return "[" + " ".join(manifest.roots) + "]"


def _verify(files: Mapping[str, bytes], trust: Trust) -> None:
    found = [path for path in files if _name(path) == SIGNATURES]
    if len(found) > 1:
        raise BundleRefused("bundle contains multiple signatures files")
    if not found:
        if trust.signing is not None:
            raise BundleRefused("bundle missing .signatures.json file")
        return
    if trust.signing is None and not trust.keys:
        raise BundleRefused("verification key not provided")
    signing = trust.signing or _NOT_REQUIRED
    vouched = signatures.verified_files(files[found[0]], signing, trust.keys)
    rest = {path: data for path, data in files.items() if path != found[0]}
    signatures.verify(rest, vouched, signing)


def _manifest(files: Mapping[str, bytes]) -> Manifest:
    found = [path for path in files if path.endswith((MANIFEST, MANIFEST_PROTO))]
    if len(found) > 1:
        raise BundleRefused("bundle contains multiple manifest files")
    if not found:
        return Manifest("", ("",), {"revision": "", "roots": [""]})
    if found[0].endswith(MANIFEST_PROTO):
        raise BundleRefused(f"{found[0]}: a manifest as protobuf is not supported: write JSON")
    value = read_structured(found[0], files[found[0]])
    if not isinstance(value, dict):
        raise BundleRefused("bundle load failed on manifest decode: expected an object")
    revision, roots = value.get("revision") or "", value.get("roots")
    if roots is None:
        roots = [""]
    if not isinstance(revision, str) or not isinstance(roots, list):
        raise BundleRefused("bundle load failed on manifest decode: expected revision and roots")
    if not all(isinstance(each, str) for each in roots):
        raise BundleRefused("bundle load failed on manifest decode: expected roots that are text")
    trimmed = tuple(each.strip("/") for each in roots)
    for index, one in enumerate(trimmed):
        for other in trimmed[index + 1 :]:
            if bundle_roots.overlap(one, other):
                raise BundleRefused(f"manifest has overlapped roots: '{one}' and '{other}'")
    if value.get("wasm"):
        raise BundleRefused("the manifest names WebAssembly, which is not supported")
    versions = value.get("file_rego_versions") or {}
    of_files = versions.values() if isinstance(versions, dict) else [versions]
    if any(each != 1 for each in (value.get("rego_version", 1), *of_files)):
        raise BundleRefused("rego_version 0 is not supported: `opa fmt --v0-v1` writes version 1")
    return Manifest(revision, trimmed, {**value, "revision": revision, "roots": list(trimmed)})


def package_of(module: bytes) -> list[str] | None:
    """The path of a module's package; None: it has none that we can read."""
    found = _PACKAGE.match(module)
    if found is None:
        return None
    return [(name or quoted).decode("utf-8", "replace") for name, quoted in _STEP.findall(found[1])]


def _check_package(path: str, module: bytes, manifest: Manifest) -> None:
    """Refuses Rego beyond the roots; what has no package, the compiler refuses."""
    steps = package_of(module)
    if steps is None or "" in manifest.roots:
        return
    if not bundle_roots.in_any(manifest.roots, steps):
        said = f"'package {'.'.join(steps)}' in module '{path}'"
        raise BundleRefused(f"manifest roots {_shown(manifest)} do not permit {said}")


def _insert(data: dict[str, Any], path: str, value: Any) -> None:
    """Merges a file's value at the path of its folder, as OPA does."""
    folder = path.rpartition("/")[0].lstrip("/.")
    for step in reversed(folder.split("/") if folder else []):
        value = {step: value}
    if not isinstance(value, dict):
        raise BundleRefused(f"bundle load failed on {path}: root value must be object")
    if not _merged(data, value):
        raise BundleRefused(f"bundle load failed on {path}: another file says otherwise")


def _merged(into: dict[str, Any], more: Mapping[str, Any]) -> bool:
    for name, value in more.items():
        there = into.setdefault(name, value)
        if there is value:
            continue
        both = isinstance(there, dict) and isinstance(value, dict)
        if not both or not _merged(there, value):
            return False
    return True


def _delta(files: Mapping[str, bytes], manifest: Manifest) -> Delta:
    operations: list[Operation] = []
    for path, content in files.items():
        if _name(path) == PATCH:
            operations += read_operations(content)
    for each in operations:
        if not bundle_roots.in_any(manifest.roots, list(each.path)):
            where = "/".join(each.path)
            raise BundleRefused(
                f"manifest roots {_shown(manifest)} do not permit data patch at path '{where}'"
            )
    return Delta(manifest, tuple(operations))
