"""Bundles that are files of this machine."""

from pathlib import Path

import pytest

from extauthz.opa.local import read_local
from extauthz.opa.problems import BundleRefused
from tests.contract.certificates import Mounted
from tests.extauthz.opa.service import tarball


def test_a_folder_is_read_with_its_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "envoy").mkdir()
    (tmp_path / "envoy/policy.rego").write_text("package envoy")
    (tmp_path / ".manifest").write_text("{}")

    assert read_local(tmp_path, 100) == {"envoy/policy.rego": b"package envoy", ".manifest": b"{}"}


def test_a_mounted_config_map_has_each_file_once_also_after_a_change(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path / "policy", {"policy.rego": b"package one"})
    assert read_local(tmp_path / "policy", 100) == {"policy.rego": b"package one"}

    mounted.swap({"policy.rego": b"package two"})

    assert read_local(tmp_path / "policy", 100) == {"policy.rego": b"package two"}


def test_a_tarball_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    path.write_bytes(tarball({"data.json": "{}"}))

    assert read_local(path, 1000) == {"data.json": b"{}"}


@pytest.mark.parametrize("kind", ["folder", "tarball", "nothing"])
def test_what_is_too_large_or_not_there_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path
    if kind == "folder":
        (tmp_path / "data.json").write_bytes(bytes(101))
    else:
        path = tmp_path / "bundle.tar.gz"
    if kind == "tarball":
        path.write_bytes(bytes(101))

    with pytest.raises(BundleRefused, match="cannot read" if kind == "nothing" else "larger"):
        read_local(path, 100)
