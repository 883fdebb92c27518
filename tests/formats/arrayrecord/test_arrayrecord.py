"""ArrayRecord shards: what the library writes is where it is expected, and is read back whole."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from array_record.python import array_record_module
from commands import shardmill
from drawnlists import draw_list, encoded

from pipeline import storage
from pipeline.errors import EnvironmentRefused, NoSpace, OutputDamaged
from pipeline.formats.arrayrecord import chunks, library, shard
from pipeline.formats.base import RecordOptions
from pipeline.formats.record import ImageRecord
from pipeline.formats.registry import FORMATS
from pipeline.images.prepare import ImageOptions
from pipeline.job import resolve
from pipeline.job.options import Job

MADE = FORMATS["arrayrecord"]
IMAGE = ImageRecord("a.jpg", "a.jpg", 3, "n01", "a", (), 4, 3, b"", 0)


def write(path: Path, contents: list[bytes]) -> list[tuple[int, int]]:
    """Write a shard of records of any bytes; return where they are."""
    with storage.StagedFile(path) as file:
        writer = shard.ArrayRecordWriter(file, lambda _: (b"", b""))
        made = [writer.write(replace(IMAGE, encoded=content)) for content in contents]
        writer.finish()
        storage.publish(file)
    return [(each.offset, each.length) for each in made]


def by_the_library(path: Path) -> list[bytes]:
    reader = array_record_module.ArrayRecordReader(str(path))
    found: list[bytes] = reader.read_all() if reader.num_records() else []
    reader.close()
    return found


def sizes_about_blocks() -> list[int]:
    """Sizes of which records end just before a block's header, in it, and just behind it.

    Each two of them fill a block: the first is of any size, the second ends near its end.
    """
    sizes, at = list[int](), len(chunks.SIGNATURE)
    for behind in range(-4, 70):
        first = 100 * (behind + 5)
        at = chunks.record_end(at, first)
        end = (at // chunks.BLOCK + 1) * chunks.BLOCK
        second = max(end - at - chunks.HEADER_SIZE - 6 + behind - 10, 0)
        sizes += [first, second]
        at = chunks.record_end(at, second)
    return sizes


def test_records_are_where_the_library_writes_them(tmp_path: Path, chance: random.Random) -> None:
    sizes = [*sizes_about_blocks(), 1, 0, 300_000, 65_536, 127, 128]
    contents = [chance.randbytes(size) for size in sizes]
    places = write(tmp_path / "shard", contents)
    assert {offset % chunks.BLOCK for offset, _ in places} >= {0, chunks.BLOCK - 1}
    found = [(each.offset, each.length, bytes(each.data)) for each in MADE.read(tmp_path / "shard")]
    assert found == [(*place, content) for place, content in zip(places, contents, strict=True)]
    assert by_the_library(tmp_path / "shard") == contents
    whole = memoryview((tmp_path / "shard").read_bytes())
    for (offset, length), content in zip(places, contents, strict=True):
        single = MADE.unframed(whole[offset : offset + length], offset)
        assert single is not None
        assert single.data == content


def test_a_shard_without_records_is_read(tmp_path: Path) -> None:
    assert write(tmp_path / "shard", []) == []
    assert list(MADE.read(tmp_path / "shard")) == []
    assert by_the_library(tmp_path / "shard") == []


@pytest.mark.parametrize("where", ["first", "middle", "footer", "postscript"])
def test_whatever_is_said_of_the_file_is_checked(tmp_path: Path, where: str) -> None:
    places = write(tmp_path / "shard", [b"a" * 70_000, b"b" * 9, b"c" * 300])
    content = (tmp_path / "shard").read_bytes()
    begins = {
        "first": places[0][0],
        "middle": places[1][0],
        "footer": sum(places[-1]),
        "postscript": len(content) - chunks.BLOCK + 24,
    }
    begin = begins[where]
    hashes = {*range(8), *range(16, 24)}
    for at in range(chunks.HEADER_SIZE + 12):
        if at in hashes or (where == "first" and at > chunks.HEADER_SIZE + 4):
            continue  # bytes of the record itself, which the facts have a hash of
        if where == "middle" and at > chunks.HEADER_SIZE + 2:
            continue
        changed = bytearray(content)
        changed[begin + at] ^= 0x11
        (tmp_path / "shard").write_bytes(changed)
        with pytest.raises(OutputDamaged, match=str(tmp_path / "shard")):
            list(MADE.read(tmp_path / "shard"))


def test_hostile_bytes_are_refused(tmp_path: Path, chance: random.Random) -> None:
    write(tmp_path / "shard", [b"a" * 70_000, b"b" * 9])
    content = (tmp_path / "shard").read_bytes()
    for _ in range(60):
        changed = bytearray(content)
        for _ in range(30):
            area = chance.choice([0, 70_100, len(content) - chunks.BLOCK])
            changed[area + chance.randrange(160)] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        (tmp_path / "shard").write_bytes(changed)
        with pytest.raises(OutputDamaged):
            list(MADE.read(tmp_path / "shard"))


def test_a_view_that_is_no_chunk_of_a_record_has_none() -> None:
    for content in (b"", bytes(39), bytes(64), b"\xff" * 200):
        assert MADE.unframed(memoryview(content), 64) is None


@pytest.fixture
def uninstalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """What has the library missing from then on."""

    def hide() -> None:
        monkeypatch.setitem(sys.modules, "array_record.python.array_record_module", None)
        library.library.cache_clear()

    yield hide
    library.library.cache_clear()


def test_without_the_library_no_shard_is_begun(
    tmp_path: Path, uninstalled: Callable[[], None]
) -> None:
    uninstalled()
    with pytest.raises(EnvironmentRefused, match="array_record"):
        write(tmp_path / "shard", [b"a"])
    assert list(tmp_path.iterdir()) == []


def test_without_the_library_a_command_that_would_write_shards_makes_no_folder(
    tmp_path: Path, out: Path, uninstalled: Callable[[], None]
) -> None:
    uninstalled()
    run = draw_list(tmp_path, images=2).prepare_here(out, "--format", MADE.name)
    assert run.returncode == EnvironmentRefused.exit_status
    assert "pip install '.[arrayrecord]'" in run.stderr
    assert not out.exists()


def test_without_the_library_finished_shards_mean_what_they_did(
    tmp_path: Path, out: Path, uninstalled: Callable[[], None]
) -> None:
    drawn = draw_list(tmp_path, images=2)
    words = ("--format", MADE.name, "--format", "tfrecord", "--shards", 1)
    assert drawn.prepare_here(out, *words).returncode == 0
    uninstalled()
    again = drawn.prepare_here(out, *words)
    assert "already complete" in again.stdout, again.stderr
    assert "nothing to remove" in shardmill("clean", out).stdout
    said = shardmill("status", out).stdout
    assert "not as it was" not in said
    assert said.count("complete, 2 records") == 2
    checked = shardmill("verify", out)
    assert checked.returncode == 0
    assert "not known" not in checked.stdout + checked.stderr


def test_without_the_library_what_is_not_known_yet_is_refused_unless_shards_are_there(
    tmp_path: Path, uninstalled: Callable[[], None]
) -> None:
    drawn = draw_list(tmp_path, images=2)
    images, root = str(drawn.path), str(drawn.root)
    formats = (MADE.name,)
    job = Job("", str(tmp_path / "out"), "", formats=formats, images=images, root=root, name="a")
    uninstalled()
    with pytest.raises(EnvironmentRefused, match="array_record"):
        resolve.check(job)
    (tmp_path / "out" / MADE.name).mkdir(parents=True)
    resolve.check(job)


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: object) -> object:
        raise RuntimeError("write() failed: No space left on device; writing x; at byte 0")

    module = SimpleNamespace(ArrayRecordWriter=full)
    monkeypatch.setattr(shard, "library", lambda: module)
    with pytest.raises(NoSpace, match="no space left"):
        write(tmp_path / "shard", [b"a"])
    assert list(tmp_path.iterdir()) == []


def test_a_release_that_lays_its_files_out_in_another_way_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "OPTIONS", "group_size:2,uncompressed")
    with pytest.raises(EnvironmentRefused, match="release") as caught:
        write(tmp_path / "shard", [b"a", b"b", b"c"])
    assert "pip install 'array-record==0.8.*'" in str(caught.value.remedy)
    monkeypatch.setattr(chunks, "BLOCK", 2 * chunks.BLOCK)
    with pytest.raises(EnvironmentRefused, match="release"):
        write(tmp_path / "shard", [b"a"])
    assert list(tmp_path.iterdir()) == []


def test_its_examples_are_those_of_other_formats_with_classes_from_0() -> None:
    assert MADE.files("train-00000-of-00002") == ("train-00000-of-00002.array_record",)
    image = replace(IMAGE, encoded=encoded(1))
    options = RecordOptions(MADE.label_offset)
    assert MADE.wrap(image, options) == FORMATS["tfrecord"].wrap(image, options)  # type: ignore[attr-defined]
    assert MADE.fields(image, options)["label"] == 3
    (said,) = MADE.refusals(ImageOptions(encoding=".png"), ())
    assert "JPEG" in said
