"""Masks of one selection and one archive: which bytes are read, and what comes of each mask."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from openimagesbucket import Bucket, answer, cut_after, denied, tagged, without_ranges

from pipeline import storage
from pipeline.documents.openimages import MaskMark
from pipeline.errors import (
    ArchiveRefused,
    InputRefused,
    NoPermission,
    NoSpace,
    ObjectRefused,
    OutputConflict,
    ShardmillError,
)
from pipeline.images.masks import encode_png
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages import published as published_files
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.masks import masks
from pipeline.sources.openimages.masks.mask_rows import write_files
from pipeline.storage import remote
from pipeline.storage.http import process
from pipeline.storage.http.retries import Patience
from pipeline.storage.http.transfer import Transfer

HURRIED = Patience(tries=4, few=2, first=0.0, longest=0.0, longest_asked=0.0)
FILE = "train-masks-0.zip"
SPLIT, SELECTION, DIGIT = "train", "0123456789ab", "0"


def image_id(number: int) -> str:
    return f"0{number:015x}"


def path_of(number: int) -> str:
    return f"{image_id(number // 2)}_m0abc_{number:08x}.png"


def png(number: int, black: bool = False) -> bytes:
    mask = np.random.default_rng(number).random((40 + number, 60)) < 0.3
    return encode_png(mask & (not black))


CONTENTS = {
    **{path_of(number): png(number) for number in range(40)},
    path_of(6): png(6, black=True),
    path_of(7): b"<html>no mask</html>",
}


def zipped(contents: Mapping[str, bytes], padding: int = 0) -> bytes:
    """Return an archive; the padding makes it larger, so that little of it is needed."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for number, (name, content) in enumerate(contents.items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
            if padding:
                archive.writestr(zipfile.ZipInfo(f"padding-{number}"), bytes(padding))
    return output.getvalue()


def published(data: bytes, url: str = "") -> PublishedFile:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return PublishedFile(f"v5/{FILE}", len(data), md5, url)


@dataclass
class Place:
    """An output folder with a selection, and the folder of archives beside it."""

    out: Path
    raw: Path

    def select(self, numbers: Iterable[int], selection: str = SELECTION) -> None:
        """Have a selection of these masks, each once with a box, and once as another object."""
        names = sorted(path_of(number) for number in numbers)
        rows = [{"image_id": name[:16], "mask_path": name} for name in names]
        rows += [{"image_id": image_id(99)}]
        others = [{"image_id": "f" * 16, "mask_path": "f" * 16 + "_m0abc_00000000.png"}]
        parts = [pa.Table.from_pylist(part, tables.OBJECTS) for part in (rows, others)]
        path = places.selected_objects(self.out, SPLIT, selection)
        with storage.StagedFile(path) as staged:
            tables.write(staged, tables.OBJECTS, parts)
            storage.publish(staged)

    def collect(
        self, file: PublishedFile, selection: str = SELECTION, *, offline: bool = False
    ) -> MaskMark:
        said: list[str] = []
        mark = masks.collect(
            *(self.out, SPLIT, selection, DIGIT, file),
            raw=self.raw,
            offline=offline,
            say=said.append,
        )
        self.said = said
        return mark

    def table(self, selection: str = SELECTION) -> dict[str, tuple[object, ...]]:
        path = places.mask_table(self.out, SPLIT, selection, DIGIT)
        rows = [row for part in tables.read(path, tables.MASK_TABLE) for row in part.to_pylist()]
        assert [row["mask_path"] for row in rows] == sorted(row["mask_path"] for row in rows)
        assert all(row["image_id"] == row["mask_path"][:16] for row in rows)
        return {row["mask_path"]: tuple(row.values())[2:] for row in rows}

    def files(self) -> dict[str, bytes]:
        folder = places.masks(self.out, SPLIT)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    def put(self, data: bytes) -> None:
        (self.raw / FILE).write_bytes(data)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "raw").mkdir()
    return Place(tmp_path / "out", tmp_path / "raw")


def served(bucket: Bucket, data: bytes) -> PublishedFile:
    bucket.objects[f"files/{FILE}"] = data
    return published(data, f"{bucket.files}/{FILE}")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    transfer = Transfer(patience=HURRIED)
    monkeypatch.setattr(remote, "transfer", lambda: transfer)
    monkeypatch.setattr(process, "transfer", lambda _: transfer)
    with Bucket(tmp_path) as server:
        yield server


def test_masks_have_the_archives_bytes_and_a_row_each(place: Place) -> None:
    data = zipped(CONTENTS)
    place.put(data)
    place.select([*range(2, 9), 41, 50])
    mark = place.collect(published(data))
    wanted = {path_of(number) for number in (2, 3, 4, 5, 6, 8)}
    assert place.files() == {name: CONTENTS[name] for name in sorted(wanted)}
    assert mark.masks == 9
    assert mark.outcomes == {"bad": 1, "black": 1, "kept": 5, "missing": 2}
    assert mark.examples == {
        "bad": (path_of(7),),
        "black": (path_of(6),),
        "missing": (path_of(41), path_of(50)),
    }
    rows = place.table()
    assert rows[path_of(5)][:2] == ("kept", len(CONTENTS[path_of(5)]))
    assert rows[path_of(5)][3:] == (60, 45)
    assert rows[path_of(6)][0] == "black"
    assert rows[path_of(7)][0] == "bad"
    assert rows[path_of(7)][3:] == (None, None)
    assert rows[path_of(41)] == ("missing", 0, 0, None, None)


def test_what_is_collected_is_not_collected_again(place: Place) -> None:
    data = zipped(CONTENTS)
    place.put(data)
    place.select(range(6))
    mark = place.collect(published(data))
    (place.raw / FILE).unlink()
    assert place.collect(published(data)) == mark
    assert masks.complete(place.out, SPLIT, SELECTION, DIGIT) == mark


def test_a_mask_that_was_deleted_or_changed_is_written_again(place: Place) -> None:
    data = zipped(CONTENTS)
    place.put(data)
    place.select(range(6))
    mark = place.collect(published(data))
    files = place.files()
    (places.masks(place.out, SPLIT) / path_of(3)).unlink()
    assert masks.complete(place.out, SPLIT, SELECTION, DIGIT) is None
    (places.masks(place.out, SPLIT) / path_of(4)).write_bytes(bytes(len(files[path_of(4)])))
    assert place.collect(published(data)) == mark
    assert place.files() == files


def test_tables_and_marks_are_the_same_whatever_was_there(place: Place, tmp_path: Path) -> None:
    data = zipped(CONTENTS)
    place.put(data)
    place.select(range(6))
    place.collect(published(data))
    other = Place(tmp_path / "other", place.raw)
    other.select(range(3, 5), "ba9876543210")
    other.collect(published(data), "ba9876543210")
    other.select(range(6))
    other.collect(published(data))
    for name in (places.mask_table, places.mask_mark):
        one, two = (name(each, SPLIT, SELECTION, DIGIT) for each in (place.out, other.out))
        assert one.read_bytes() == two.read_bytes()


def test_no_masks_need_no_archive(place: Place) -> None:
    place.select([])
    mark = place.collect(published(b"", ""))
    assert mark.masks == 0
    assert place.table() == {}


def test_of_a_large_archive_only_the_list_and_what_is_needed_is_sent(
    place: Place, bucket: Bucket
) -> None:
    data = zipped(CONTENTS, padding=100_000)
    file = served(bucket, data)
    place.select([3, 4, 30])
    place.collect(file)
    assert set(place.files()) == {path_of(3), path_of(4), path_of(30)}
    gets = [seen for seen in bucket.requests(FILE) if seen.method == "GET"]
    assert [seen.status for seen in gets] == [206] * len(gets)
    assert sum(seen.sent for seen in gets) < len(data) // 8
    assert not (place.raw / FILE).exists()
    assert place.said == []


def test_a_second_class_fetches_only_its_own_masks(place: Place, bucket: Bucket) -> None:
    file = served(bucket, zipped(CONTENTS, padding=100_000))
    place.select([3, 4])
    place.collect(file)
    bucket.forget()
    place.select([3, 4, 30], "ba9876543210")
    place.collect(file, "ba9876543210")
    sent = [seen.sent for seen in bucket.requests(FILE) if seen.method == "GET"]
    assert len(sent) == 1
    assert sent[0] < 70_000
    bucket.forget()
    place.select([3, 30], "cccccccccccc")
    place.collect(file, "cccccccccccc")
    assert bucket.requests() == []


def test_where_most_is_needed_the_whole_archive_is_fetched_and_kept(
    place: Place, bucket: Bucket
) -> None:
    data = zipped(CONTENTS)
    file = served(bucket, data)
    place.select(range(40))
    place.collect(file)
    assert (place.raw / FILE).read_bytes() == data
    assert len(place.files()) == 39
    assert "so all of it is fetched" in place.said[0]


@pytest.mark.parametrize("error", [NoPermission, NoSpace])
def test_where_raw_takes_no_archive_it_is_read_by_ranges(
    place: Place, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, error: type[ShardmillError]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error("nothing can be written there")

    file = served(bucket, zipped(CONTENTS))
    monkeypatch.setattr(published_files, "fetch", refuse)
    place.select(range(40))
    place.collect(file)
    assert len(place.files()) == 39
    assert place.said[-1].endswith("by ranges, because nothing can be written there")


def test_a_server_without_ranges_sends_the_whole(place: Place, bucket: Bucket) -> None:
    data = zipped(CONTENTS, padding=100_000)
    file = served(bucket, data)
    bucket.rule(FILE, without_ranges)
    place.select([3])
    place.collect(file)
    assert (place.raw / FILE).read_bytes() == data
    assert set(place.files()) == {path_of(3)}


def test_a_local_archive_is_read_once_for_its_md5(place: Place) -> None:
    data = zipped(CONTENTS)
    place.put(data)
    file = published(data)
    place.select([3])
    place.collect(file)
    index = places.mask_index(place.out, FILE).with_suffix(".json").read_bytes()
    place.select([3, 4], "ba9876543210")
    place.collect(file, "ba9876543210")
    assert places.mask_index(place.out, FILE).with_suffix(".json").read_bytes() == index


def other(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("spoil", [other, lambda data: data[:-100], lambda data: data + b"\0"])
def test_another_archive_of_that_name_is_refused(place: Place, spoil: object) -> None:
    data = zipped(CONTENTS)
    place.put(spoil(data))  # type: ignore[operator]
    place.select([3])
    with pytest.raises(InputRefused, match="not the published file") as caught:
        place.collect(published(data))
    assert caught.value.file == str(place.raw / FILE)
    assert not places.masks(place.out, SPLIT).exists()


@pytest.mark.parametrize("pinned", ["bytes", "md5"])
def test_a_server_with_another_archive_is_refused(
    place: Place, bucket: Bucket, pinned: str
) -> None:
    file = served(bucket, zipped(CONTENTS, padding=100_000))
    wrong = replace(file, bytes=7) if pinned == "bytes" else replace(file, md5="0" * 32)
    place.select([3])
    with pytest.raises(ArchiveRefused, match="another archive than the published one") as caught:
        place.collect(wrong)
    assert caught.value.file == file.url
    assert not places.masks(place.out, SPLIT).exists()


def test_an_md5_that_only_the_etag_tells_counts(place: Place, bucket: Bucket) -> None:
    data = zipped(CONTENTS, padding=100_000)
    bucket.objects[f"masks/{FILE}"] = data
    file = published(data, f"{bucket.url}/masks/{FILE}")
    place.select([3])
    place.collect(file)
    place.select([4], "ba9876543210")
    bucket.rule(FILE, tagged(f'"{"5" * 32}"'))
    with pytest.raises(ArchiveRefused, match="another archive than the published one"):
        place.collect(file, "ba9876543210")


def test_an_archive_that_nobody_pinned_is_asked_whether_it_changed(
    place: Place, bucket: Bucket
) -> None:
    file = replace(served(bucket, zipped(CONTENTS, padding=100_000)), md5=None, bytes=None)
    place.select([3])
    place.collect(file)
    changed = {**CONTENTS, path_of(4): png(50)}
    bucket.objects[f"files/{FILE}"] = zipped(changed, padding=100_001)
    place.select([4], "ba9876543210")
    place.collect(file, "ba9876543210")
    assert place.files()[path_of(4)] == changed[path_of(4)]


def test_an_index_of_another_archive_is_not_kept_for_the_right_one(
    place: Place, bucket: Bucket
) -> None:
    """A server that tells no MD5 had another archive of the same size."""
    right = zipped(CONTENTS, padding=100_000)
    moved = dict(reversed(CONTENTS.items()))
    bucket.objects[f"masks/{FILE}"] = zipped(moved, padding=100_000)
    bucket.etags = False
    file = published(right, f"{bucket.url}/masks/{FILE}")
    assert len(bucket.objects[f"masks/{FILE}"] or b"") == len(right)
    place.select([3])
    place.collect(file)
    place.put(right)
    place.select([3, 4], "ba9876543210")
    place.collect(file, "ba9876543210")
    assert place.files() == {path_of(number): CONTENTS[path_of(number)] for number in (3, 4)}


def test_offline_the_missing_archive_is_named(place: Place, bucket: Bucket) -> None:
    file = served(bucket, zipped(CONTENTS))
    place.select([3])
    with pytest.raises(InputRefused, match="--offline fetches nothing") as caught:
        place.collect(file, offline=True)
    assert FILE in str(caught.value)
    assert bucket.requests() == []


def test_an_archive_that_is_nowhere_is_named(place: Place) -> None:
    place.select([3])
    with pytest.raises(InputRefused, match="is not there"):
        place.collect(published(zipped(CONTENTS)))


def test_a_server_that_gives_nothing_out_is_named(place: Place, bucket: Bucket) -> None:
    file = served(bucket, zipped(CONTENTS))
    bucket.rule(FILE, denied)
    place.select([3])
    with pytest.raises(ObjectRefused):
        place.collect(file)


def test_what_was_written_before_a_cut_is_not_fetched_again(
    place: Place, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masks, "write_files", partial(write_files, batch=2))
    file = served(bucket, zipped(CONTENTS, padding=200_000))
    numbers = [3, 10, 15, 20, 25, 30]
    place.select(numbers)
    monkeypatch.setattr(masks, "_seen", fail_at(path_of(20)))
    with pytest.raises(KeyboardInterrupt):
        place.collect(file)
    assert set(place.files()) == {path_of(number) for number in (3, 10)}
    monkeypatch.undo()
    bucket.forget()
    place.collect(file)
    assert set(place.files()) == {path_of(number) for number in numbers}
    ranges = [seen.headers["range"] for seen in bucket.requests(FILE) if seen.method == "GET"]
    assert len(ranges) == 4


def test_a_kill_leaves_whole_masks_and_what_the_next_run_removes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = zipped(CONTENTS)
    place.put(data)
    place.select(range(0, 40, 3))
    monkeypatch.setattr(masks, "write_files", partial(write_files, batch=4))
    monkeypatch.setattr(masks, "_seen", kill_at(path_of(18)))
    child = os.fork()
    if not child:
        place.collect(published(data))
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert set(place.files()) == {path_of(number) for number in (0, 3, 6, 9)}
    assert place.files() == {name: CONTENTS[name] for name in place.files()}
    beside = places.masks(place.out, SPLIT).parent
    assert len(list(beside.iterdir())) == 2
    assert masks.complete(place.out, SPLIT, SELECTION, DIGIT) is None
    monkeypatch.undo()
    assert place.collect(published(data)).outcomes == {"black": 1, "kept": 13}
    assert [path.name for path in beside.iterdir()] == [SPLIT]


def kill_at(name: str) -> object:
    seen = masks._seen

    def killing(member: object, content: bytes) -> object:
        if member.name == name:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGKILL)
        return seen(member, content)  # type: ignore[arg-type]

    return killing


def fail_at(name: str) -> object:
    seen = masks._seen

    def failing(member: object, content: bytes) -> object:
        if member.name == name:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return seen(member, content)  # type: ignore[arg-type]

    return failing


def test_a_busy_or_cutting_server_is_asked_again(place: Place, bucket: Bucket) -> None:
    file = served(bucket, zipped(CONTENTS, padding=100_000))
    bucket.rule(FILE, answer(503), times=2)
    bucket.rule(FILE, cut_after(20), times=2, skip=1)
    place.select([3, 30])
    place.collect(file)
    assert set(place.files()) == {path_of(3), path_of(30)}


def test_a_folder_where_a_mask_goes_is_named(place: Place) -> None:
    data = zipped(CONTENTS)
    place.put(data)
    place.select([3, 4])
    stranger = places.mask(place.out, SPLIT, path_of(4))
    stranger.mkdir(parents=True)
    with pytest.raises(OutputConflict, match="stands in the way") as caught:
        place.collect(published(data))
    assert caught.value.file == str(stranger)
    stranger.rmdir()
    place.collect(published(data))
    assert set(place.files()) == {path_of(3), path_of(4)}


def test_the_digest_is_of_names_outcomes_and_contents(place: Place, tmp_path: Path) -> None:
    digests = set()
    for number, contents in enumerate(
        ({}, {path_of(3): png(4)}, {path_of(3): png(3, black=True)}, {path_of(3): b""})
    ):
        each = Place(tmp_path / f"out-{number}", place.raw)
        data = zipped({**CONTENTS, **contents})
        each.put(data)
        each.select([3, 4])
        mark = each.collect(published(data))
        digests.add(masks.digest_of([mark]))
        assert masks.digest_of([mark]) == masks.digest_of(iter([mark]))
    assert len(digests) == 4
