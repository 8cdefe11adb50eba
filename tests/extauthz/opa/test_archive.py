"""Tarballs from a service that may be hostile."""

import contextlib
import gzip
import io
import tarfile

import pytest

from extauthz.opa.archive import unpack
from extauthz.opa.problems import BundleRefused
from tests.extauthz.opa.service import tarball

MOST = 1 << 20


def test_files_come_by_their_paths_without_a_slash_at_the_beginning() -> None:
    files = {"a/b.rego": "package a", ".manifest": "{}"}

    for prefix in ("", "/", "./"):
        assert unpack(tarball(files, prefix), MOST) == {
            "a/b.rego": b"package a",
            ".manifest": b"{}",
        }


@pytest.mark.parametrize(
    "path",
    [
        "../x.rego",
        "a/../../x.rego",
        "/../etc/passwd",
        "..",
        "a//b",
        "a/./b",
        "a\\b",
        "a\nb",
        "\x7f",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(BundleRefused):
        unpack(tarball({path: "x"}, ""), MOST)


def test_links_and_devices_are_left_out() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, kind in [("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE), ("d", tarfile.CHRTYPE)]:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "/etc/passwd"
            archive.addfile(member)

    assert unpack(packed.getvalue(), MOST) == {}


def test_a_bomb_is_refused_before_it_is_unpacked_whole() -> None:
    zeros = gzip.compress(bytes(400 << 20), 9)
    assert len(zeros) < MOST

    with pytest.raises(BundleRefused, match="larger"):
        unpack(zeros, MOST)


def test_all_files_together_must_fit_the_limit() -> None:
    half = "x" * (MOST // 2)

    assert len(unpack(tarball({"a": half, "b": half}), MOST)) == 2
    with pytest.raises(BundleRefused, match="max size"):
        unpack(tarball({"a": half, "b": half, "c": "x"}), MOST)


def test_a_file_that_comes_twice_is_refused() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("data.json"), io.BytesIO())

    with pytest.raises(BundleRefused, match="twice"):
        unpack(packed.getvalue(), MOST)


def test_what_is_cut_off_anywhere_is_refused_or_lacks_nothing() -> None:
    whole = tarball({"a": "x" * 5000, "b": "y" * 5000})
    files = unpack(whole, MOST)

    for end in range(0, len(whole), 7):
        with pytest.raises(BundleRefused):
            unpack(whole[:end], MOST)
    assert files.keys() == {"a", "b"}


def test_bytes_that_are_flipped_raise_nothing_else() -> None:
    whole = tarball({"a": "x" * 500, "b": "y"})
    plain = gzip.decompress(whole)

    for place in range(0, 1600, 3):
        broken = bytearray(plain)
        broken[place] ^= 0xFF
        with contextlib.suppress(BundleRefused):
            unpack(gzip.compress(bytes(broken), 1), MOST)
