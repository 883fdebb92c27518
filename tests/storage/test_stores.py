"""Questions about two locations, and about an address, that ask no store."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import UsageError
from pipeline.storage import Location, Remote, StagedFile

OUT = Remote("s3", "bucket", "out")
WEB = Remote("https", "host", "out")


@pytest.mark.parametrize(
    ("location", "folder", "expected"),
    [
        (Path("/out/a/b"), Path("/out"), "a/b"),
        (OUT / "a/b", OUT, "a/b"),
        (OUT, OUT, None),
        (Remote("s3", "bucket", "outside"), OUT, None),
        (Path("/out/a"), OUT, None),
        (OUT / "a", Path("/"), None),
    ],
)
def test_names_below_a_folder(location: Location, folder: Location, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="is not below"):
            storage.relative(location, folder)
    else:
        assert storage.relative(location, folder) == expected
        assert folder / expected == location


def test_an_address_and_a_path_are_never_one_place(tmp_path: Path) -> None:
    assert storage.same_place(OUT, OUT)
    assert not storage.same_place(OUT, tmp_path)
    assert not storage.same_place(tmp_path, OUT)
    assert storage.is_within(OUT / "a/b", OUT / "a")
    assert not storage.is_within(OUT / "ab", OUT / "a")
    assert not storage.is_within(OUT / "a", OUT / "a")
    assert not storage.is_within(OUT, tmp_path)
    assert not storage.same_folder(OUT, tmp_path)


def test_a_store_knows_no_free_space_and_no_folder_of_this_machine() -> None:
    assert storage.free_bytes(OUT) is None
    assert storage.real_folder(OUT) is None
    assert storage.temp_files(OUT) == []
    assert storage.placed(OUT) == ""


@pytest.mark.parametrize(
    "ask",
    [
        storage.entries,
        storage.folders,
        storage.watch,
        storage.is_empty,
        storage.probe_writable,
        lambda place: storage.publish_bytes(place, b"x"),
        lambda place: storage.point(place, "name"),
        lambda place: storage.remove(place, place / "a.json"),
        lambda place: storage.plan_files(place, [place / "a"]),
    ],
)
def test_a_web_server_neither_lists_nor_takes_files(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(UsageError, match="a web server, where only a store"):
        ask(WEB)


@pytest.mark.parametrize("name", ["shard.tar", "shard.tfrecord", "list.lst", "boxes.csv"])
def test_what_may_be_empty_is_never_taken_away(name: str) -> None:
    with pytest.raises(UsageError, match="a run can not take away"):
        storage.remove(OUT, OUT / name)


def test_many_local_files_are_read_as_one(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
    places = [tmp_path / name for name in "abc"]
    assert storage.read_many(places) == {places[0]: b"a", places[1]: b"b"}
    assert storage.local_copies(places) == places


def test_of_a_local_file_no_checksum_for_a_store_is_computed(tmp_path: Path) -> None:
    with StagedFile(tmp_path / "a") as staged:
        assert staged._md5 is None
