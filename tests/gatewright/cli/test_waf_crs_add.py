"""`gatewright waf crs add`: a rule set is taken whole and sound, or not at all."""

import gzip
import hashlib
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from callout.testing.data import require
from gatewright.bundle import rule_sets
from gatewright.cli.main import main
from gatewright.cli.waf import crs_add, rule_archive, rules
from gatewright.cli.waf.rule_archive import Refused, of_archive, of_folder
from tests.waf.crs.run import files as crs_files

SET = {
    "crs-setup.conf.example": b'SecComponentSignature "Small/1"\n',
    "rules/REQUEST-1.conf": b'SecRule ARGS "@pmFromFile words.data" "id:1,phase:2,deny,log"\n',
    "rules/words.data": b"evil\nwicked\n",
    "plugins/a-before.conf": b'SecAction "id:2,phase:1,pass,log"\n',
    "README.md": b"text",
    "tests/regression/1.yaml": b"text",
}
ROOTED = {f"coreruleset-1/{name}": data for name, data in SET.items()}
WANTED = {
    name: data for name, data in SET.items() if name not in ("README.md",) and "tests" not in name
}


def tar(files: Mapping[str, bytes], *more: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in more:
            archive.addfile(info)
    return out.getvalue()


def zipped(files: Mapping[str, bytes], *more: zipfile.ZipInfo) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        for info in more:
            archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setattr(crs_add, "cache_folder", lambda: folder)
    monkeypatch.setattr(rules, "cache_folder", lambda: folder)
    return folder


@pytest.mark.parametrize(
    "data",
    [
        tar(ROOTED),
        gzip.compress(tar(ROOTED)),
        lzma.compress(tar(ROOTED)),
        zipped(ROOTED),
        tar(SET),
        zipped(SET),
        tar({f"./{name}": data for name, data in ROOTED.items()}),
    ],
    ids=["tar", "tar.gz", "tar.xz", "zip", "tar without a folder", "zip without one", "dots"],
)
def test_a_release_is_read_whatever_it_is_packed_with(data: bytes) -> None:
    assert of_archive(data) == WANTED


def test_a_folder_is_read_likewise(tmp_path: Path) -> None:
    assert of_folder(written(tmp_path, SET)) == WANTED


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("coreruleset-1/rules/link.conf")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def zip_link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("coreruleset-1/rules/link.conf")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected a zip"),
        (b"nonsense" * 200, "expected a zip"),
        (b"PK\x03\x04 nonsense", "expected a zip"),
        (b"\x1f\x8b nonsense", "expected a zip"),
        (gzip.compress(tar(ROOTED))[:-20], "the beginning of one"),
        (tar({"a.txt": b""}), "found no crs-setup.conf"),
        (tar({**ROOTED, "../evil.conf": b""}), "leads elsewhere"),
        (tar({**ROOTED, "coreruleset-1/../../evil.conf": b""}), "leads elsewhere"),
        (tar({**ROOTED, "/etc/evil.conf": b""}), "leads elsewhere"),
        (zipped({**ROOTED, "../evil.conf": b""}), "leads elsewhere"),
        (zipped({**ROOTED, "a\\..\\evil.conf": b""}), "leads elsewhere"),
        (zipped({**ROOTED, "a\nb": b""}), "leads elsewhere"),
        (tar(ROOTED, link(tarfile.SYMTYPE)), "found a link"),
        (tar(ROOTED, link(tarfile.LNKTYPE)), "found a link"),
        (tar(ROOTED, link(tarfile.FIFOTYPE)), "found a link"),
        (zipped(ROOTED, zip_link()), "found a link"),
        (
            tar(ROOTED, tarfile.TarInfo("./coreruleset-1/rules/words.data")),
            "found two of coreruleset-1/rules/words.data",
        ),
    ],
)
def test_what_is_no_sound_archive_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(Refused) as refused:
        of_archive(data)
    assert message in str(refused.value)


def test_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    written(tmp_path, SET)
    (tmp_path / "rules/link.conf").symlink_to("/etc/passwd")

    with pytest.raises(Refused, match="found a link"):
        of_folder(tmp_path)


def test_bombs_are_refused_before_they_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_archive, "MOST", 10_000)
    monkeypatch.setattr(rule_archive, "_MOST_PLAIN", 100_000)
    monkeypatch.setattr(rule_archive, "_MOST_FILES", 100)
    large = {**ROOTED, "coreruleset-1/rules/large.data": bytes(20_000)}

    for data in (
        zipped(large),
        gzip.compress(tar(large)),
        gzip.compress(bytes(1_000_000)),
        lzma.compress(bytes(1_000_000)),
        zipped({**ROOTED, **{f"{number}": b"" for number in range(100)}}),
    ):
        with pytest.raises(Refused, match="expected at most"):
            of_archive(data)


def test_it_is_added_and_found_and_another_takes_its_place(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "crs.zip"
    archive.write_bytes(zipped(ROOTED))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()

    assert main(["waf", "crs", "add", str(archive), "--sha256", digest]) == 0
    assert capsys.readouterr().out == "Small/1: 2 rules at the level that its setup says\n"
    found = rule_sets.crs(cache)
    assert found is not None
    assert {name.removeprefix("crs:"): data for name, data in found.files.items()} == WANTED
    assert main(["waf", "explain", "--rules", "crs", "--uri", "/?a=wicked"]) == 1
    assert "crs:rules/REQUEST-1.conf:1" in capsys.readouterr().out

    changed = {**SET, "crs-setup.conf": b'SecComponentSignature "Mine/2"\n'}
    for number in range(3):
        changed["rules/words.data"] = b"w%d\n" % number
        assert main(["waf", "crs", "add", str(written(tmp_path / "mine", changed))]) == 0
    assert capsys.readouterr().out.startswith("Mine/2: 2 rules")
    assert main(["waf", "explain", "--rules", "crs", "--uri", "/?a=wicked"]) == 0
    assert main(["waf", "explain", "--rules", "crs", "--uri", "/?a=w2"]) == 1
    # What it was before, and no more.
    assert len(list(cache.glob("crs-*"))) == 2
    assert not list(cache.glob(".crs-*"))


@pytest.mark.parametrize(
    ("files", "flags", "message"),
    [
        (
            {**SET, "rules/REQUEST-1.conf": b'\nSecRule ARGS "@rx (" "id:1"'},
            [],
            "crs:rules/REQUEST-1.conf:2",
        ),
        ({"rules/a.conf": b""}, [], "found no crs-setup.conf"),
        (SET, ["--sha256", "00"], "a folder has none"),
    ],
)
def test_what_cannot_be_used_replaces_nothing(
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: Mapping[str, bytes],
    flags: list[str],
    message: str,
) -> None:
    assert main(["waf", "crs", "add", str(written(tmp_path / "good", SET))]) == 0

    assert main(["waf", "crs", "add", str(written(tmp_path / "bad", files)), *flags]) == 1

    assert message in capsys.readouterr().err
    found = rule_sets.crs(cache)
    assert found is not None
    assert found.files["crs:rules/words.data"] == SET["rules/words.data"]


def test_an_archive_with_another_digest_is_refused(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "crs.tar").write_bytes(tar(ROOTED))

    assert main(["waf", "crs", "add", str(tmp_path / "crs.tar"), "--sha256", "0" * 64]) == 1
    assert main(["waf", "crs", "add", str(tmp_path / "none.tar")]) == 1

    assert "its SHA-256 is another" in capsys.readouterr().err
    assert not (cache / "crs").exists()


def test_the_core_rule_set_itself_is_taken_whole() -> None:
    whole = {name: data for name, data in crs_files(require("crs")).items() if name != "main.conf"}

    taken = of_archive(gzip.compress(tar({f"crs/{name}": whole[name] for name in whole}), 1))

    assert {name for name in whole if not name.startswith("plugins")} <= taken.keys()
