import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.config import bundle as module
from callout.config.bundle import Bundle, DirectoryLimits, read_directory
from tests.callout.config.writing import lines


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def config_map(root: Path, version: str, **files: str) -> None:
    """As kubelet does it: new content in a folder of its own, then one link turned to it."""
    write(root / f"..{version}", **files)
    (root / "..data_tmp").symlink_to(f"..{version}")
    (root / "..data_tmp").rename(root / "..data")
    for name in {each.split("/")[0] for each in files}:
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"..data/{name}")


def files(found: object) -> dict[str, bytes]:
    assert isinstance(found, Bundle), lines(found)
    return dict(found.files)


def test_files_are_found_by_their_path_from_the_root() -> None:
    found = Bundle({"b.yaml": b"1", "rego/x/a.rego": b"2", "regout": b"3"})
    assert list(found.files) == ["b.yaml", "rego/x/a.rego", "regout"]
    assert found.read("b.yaml") == found.read("./b.yaml") == b"1"
    assert found.read("/b.yaml") is found.read("../b.yaml") is found.read("rego") is None
    assert found.under("rego") == found.under("./rego/") == {"rego/x/a.rego": b"2"}
    assert found.under("rego/x/a.rego") == {}


def test_a_bundle_cannot_be_changed() -> None:
    given = {"a": b"1"}
    found = Bundle(given)
    given["a"] = b"2"
    assert found.read("a") == b"1"
    with pytest.raises(TypeError):
        found.files["a"] = b"2"  # type: ignore[index]


pairs = st.dictionaries(st.text("ab/:1", min_size=1, max_size=4), st.binary(max_size=4), max_size=3)


@given(pairs, pairs)
def test_digests_are_equal_only_if_bundles_are(
    one: dict[str, bytes], two: dict[str, bytes]
) -> None:
    assert (Bundle(one).digest == Bundle(two).digest) == (one == two)


def test_a_directory_is_read(tmp_path: Path) -> None:
    write(tmp_path, **{"shop.yaml": "a", "rego/shop/shop.rego": "b", ".compiled/x.json": "c"})
    write(
        tmp_path, **{".git/config": "x", ".hidden": "x", "rego/.compiled/x": "x", "rego/.swp": ""}
    )
    assert files(read_directory(tmp_path)) == {
        ".compiled/x.json": b"c",
        "rego/shop/shop.rego": b"b",
        "shop.yaml": b"a",
    }
    assert files(read_directory(str(tmp_path))) == files(read_directory(tmp_path))


def test_a_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    config_map(tmp_path, "2024_1", **{"shop.yaml": "1", "rego/a.rego": "1"})
    assert files(read_directory(tmp_path)) == {"shop.yaml": b"1", "rego/a.rego": b"1"}
    config_map(tmp_path, "2024_2", **{"shop.yaml": "2", "rego/a.rego": "2"})
    assert files(read_directory(tmp_path)) == {"shop.yaml": b"2", "rego/a.rego": b"2"}


def test_a_config_map_that_turns_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_map(tmp_path, "1", a="1", b="1")
    read = module._Reader._read_file

    def turning(self: module._Reader, path: Path, name: str) -> None:
        read(self, path, name)
        if name == "a" and self.files["a"] == b"1":
            config_map(tmp_path, "2", a="2", b="2")

    monkeypatch.setattr(module._Reader, "_read_file", turning)
    assert files(read_directory(tmp_path)) == {"a": b"2", "b": b"2"}


def test_a_root_that_is_a_link_is_read(tmp_path: Path) -> None:
    write(tmp_path / "real", a="1")
    (tmp_path / "link").symlink_to("real")
    assert files(read_directory(tmp_path / "link")) == {"a": b"1"}


def test_links_that_lead_outside_are_refused(tmp_path: Path) -> None:
    write(tmp_path, secret="x", **{"bundle/a": "1", "other/b": "2"})
    (tmp_path / "bundle" / "stolen").symlink_to("../secret")
    (tmp_path / "bundle" / "folder").symlink_to("../other")
    assert lines(read_directory(tmp_path / "bundle")) == [
        "folder: expected a file of the bundle, found a link that leads outside",
        "stolen: expected a file of the bundle, found a link that leads outside",
    ]


def test_links_in_circles_and_to_nothing_are_problems(tmp_path: Path) -> None:
    write(tmp_path, **{"x/a": "1"})
    (tmp_path / "x" / "again").symlink_to("../x")
    assert "folders deep" in lines(read_directory(tmp_path))[0]
    (tmp_path / "x" / "again").unlink()
    (tmp_path / "gone").symlink_to("nothing")
    assert lines(read_directory(tmp_path)) == [
        "gone: expected a readable file, found none: No such file or directory"
    ]
    (tmp_path / "gone").unlink()
    (tmp_path / "self").symlink_to("self")
    assert len(lines(read_directory(tmp_path))) == 1


def test_what_is_not_a_file_is_a_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert lines(read_directory(tmp_path)) == [
        "pipe: expected a file or a folder, found something else"
    ]


def test_a_name_that_is_not_utf_8_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff.yaml")).write_text("x")
    assert lines(read_directory(tmp_path)) == ["a?.yaml: expected a file name in UTF-8"]


def test_no_directory_is_a_problem(tmp_path: Path) -> None:
    assert "expected a directory, found none" in lines(read_directory(tmp_path / "none"))[0]
    write(tmp_path, file="x")
    assert "expected a directory, found none" in lines(read_directory(tmp_path / "file"))[0]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (DirectoryLimits(file_bytes=3), "b/c: expected at most 3 bytes, found more"),
        (DirectoryLimits(files=2), "expected at most 2 files"),
        (DirectoryLimits(total_bytes=9), "files and 9 bytes in all, found more"),
        (DirectoryLimits(depth=0), "expected at most 0 folders deep, found more"),
    ],
)
def test_a_directory_has_limits(tmp_path: Path, limits: DirectoryLimits, expected: str) -> None:
    write(tmp_path, **{"a": "123", "b/c": "1234", "d": "123"})
    assert expected in lines(read_directory(tmp_path, limits))[0]
    assert len(files(read_directory(tmp_path))) == 3
