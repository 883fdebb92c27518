"""Where an output goes: through links, and never in the place of what is no regular file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from packing import list_all, names, passing, read, tiny_set

from pipeline import manifest
from pipeline.documents.packed import PackManifest
from pipeline.errors import OutputConflict
from pipeline.im2rec.lists import make_lists
from pipeline.im2rec.pack import pack
from pipeline.sources.imagelist.folder import Division
from pipeline.storage import output_file

ENDS = (".rec", ".idx", ".manifest.json")


def a_socket(path: Path) -> None:
    os.mknod(path, 0o600 | stat.S_IFSOCK)


def a_device(path: Path) -> None:
    """A device node of the test's own; the system's are never touched."""
    if os.getuid():
        pytest.skip("only the superuser makes devices")
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_link_into_nothing(path: Path) -> None:
    path.symlink_to(path.parent / "not mounted" / "a.rec")


def a_link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


IN_THE_WAY: dict[str, Callable[[Path], object]] = {
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a socket": a_socket,
    "a device": a_device,
    "a link that leads back": a_loop,
    "no folder": a_link_into_nothing,
    "pipe": a_link_to_a_pipe,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tiny_set(tmp_path)


@pytest.mark.parametrize(
    ("target", "said"),
    [("not mounted/data", "a link leads nowhere"), ("disk", "a link leads back to itself")],
)
def test_a_folder_that_is_a_link_to_nothing_is_not_made_elsewhere(
    root: Path, tmp_path: Path, target: str, said: str
) -> None:
    listing = list_all(root)
    (tmp_path / "disk").symlink_to(target)
    before = names(tmp_path)
    with pytest.raises(OutputConflict, match=said):
        pack(passing(root, listing, output=tmp_path / "disk" / "new" / "a.rec"))
    with pytest.raises(OutputConflict, match=said):
        make_lists(str(tmp_path / "disk" / "p"), root, [".jpg"], Division(), recursive=False)
    assert names(tmp_path) == before


@pytest.mark.parametrize("found", IN_THE_WAY)
@pytest.mark.parametrize("end", ENDS)
def test_what_is_no_regular_file_is_not_replaced(
    root: Path, tmp_path: Path, found: str, end: str
) -> None:
    listing = list_all(root)
    path = tmp_path / f"a{end}"
    IN_THE_WAY[found](path)
    before, mode = names(tmp_path), os.lstat(path).st_mode
    with pytest.raises(OutputConflict, match="cannot be written there") as refusal:
        pack(passing(root, listing))
    assert found in (refusal.value.found or "")
    assert (refusal.value.file, refusal.value.exit_status) == (str(path), 2)
    assert (names(tmp_path), os.lstat(path).st_mode) == (before, mode)


@pytest.mark.parametrize("old", [None, b"of another time"])
def test_a_link_is_followed(root: Path, tmp_path: Path, old: bytes | None) -> None:
    listing = list_all(root)
    large = tmp_path / "large"
    large.mkdir()
    for end in ENDS:
        (tmp_path / f"a{end}").symlink_to(f"large/other{end}")
        if old is not None:
            (large / f"other{end}").write_bytes(old)
    packed = pack(passing(root, listing))
    assert packed.targets.records == tmp_path / "a.rec"
    assert len(read(tmp_path / "a.rec")) == 12
    assert all((tmp_path / f"a{end}").is_symlink() for end in ENDS)
    assert names(large) == {f"other{end}" for end in ENDS}
    assert names(tmp_path) == {"images", "large", "a.lst", *(f"a{end}" for end in ENDS)}
    document = manifest.read(tmp_path / "a.manifest.json", PackManifest)
    assert [entry.file for entry in document.files] == ["a.rec", "a.idx"]


def test_the_index_and_the_manifest_lie_beside_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "a.rec").symlink_to("large/other.rec")
    pack(passing(root, list_all(root)))
    assert names(tmp_path / "large") == {"other.rec"}
    assert (tmp_path / "a.idx").is_file()


def test_lists_are_written_through_links_and_never_over_a_pipe(root: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "p.lst").symlink_to("lists/real.lst")
    make_lists(str(tmp_path / "p"), root, [".jpg"], Division(), recursive=False)
    assert (tmp_path / "p.lst").is_symlink()
    assert len((tmp_path / "lists" / "real.lst").read_text().splitlines()) == 12
    os.mkfifo(tmp_path / "q.lst")
    with pytest.raises(OutputConflict, match="cannot be written there"):
        make_lists(str(tmp_path / "q"), root, [".jpg"], Division(), recursive=False)
    assert stat.S_ISFIFO(os.lstat(tmp_path / "q.lst").st_mode)


def test_a_file_and_nothing_are_places_for_an_output(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "absent", "absent folder/file"):
        assert output_file(tmp_path / name) == tmp_path / name


def test_a_folder_that_a_link_only_promises_is_not_made(root: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to("not mounted")
    with pytest.raises(OutputConflict, match="a link leads nowhere") as refusal:
        pack(passing(root, list_all(root), output=tmp_path / "disk" / "sets" / "a.rec"))
    assert refusal.value.file == str(tmp_path / "disk")
    with pytest.raises(OutputConflict, match="a link leads nowhere"):
        make_lists(str(tmp_path / "disk/p"), root, [".jpg"], Division(), recursive=False)
    assert not (tmp_path / "not mounted").exists()


def test_two_lists_do_not_become_one_file(root: Path, tmp_path: Path) -> None:
    for part in ("train", "val"):
        (tmp_path / f"p_{part}.lst").symlink_to("one.lst")
    with pytest.raises(OutputConflict, match="two lists would become one file"):
        make_lists(str(tmp_path / "p"), root, [".jpg"], Division(train=0.5), recursive=False)
    assert not (tmp_path / "one.lst").exists()
