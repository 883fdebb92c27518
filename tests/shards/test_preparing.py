"""Images of one shard prepared by several processes: the same bytes, marks, errors and order."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from drawnlists import encoded
from plannedrows import NAME, batch, output

from pipeline import storage
from pipeline.errors import BadImage, MemberDiffers, TransientError, TreeRefused
from pipeline.formats.registry import FORMATS
from pipeline.images.prepare import ImageOptions, Preparation
from pipeline.manifest import Document
from pipeline.processes.ordered import in_order
from pipeline.shards import preparing
from pipeline.shards import write as shards
from pipeline.storage import Location

RESIZED = ImageOptions(resize=20, quality=90)
SEVERAL = pytest.mark.parametrize("processes", [2, 3, 5])
JUNK = b"<html>Please log in</html>"


def drawn(**others: bytes | None) -> dict[str, bytes | None]:
    """Draw images of several kinds, with others after the 30th."""
    images: dict[str, bytes | None] = {
        f"{number}.img": encoded(
            number, ("RGB", "L")[number % 5 == 4], ("JPEG", "PNG")[number % 7 == 3]
        )
        for number in range(60)
    }
    names = list(images)
    return {
        **{name: images[name] for name in names[:30]},
        **others,
        **{name: images[name] for name in names[30:]},
    }


def write(
    out: Path,
    root: Path,
    rows: pa.RecordBatch,
    processes: int,
    image: ImageOptions = RESIZED,
    **options: Any,
) -> int:
    made = [output(out, name, image=image) for name in FORMATS]
    options = {"whole_files": True, "on_bad_image": "skip", **options}
    return shards.write_shard(out, NAME, rows, root, made, processes=processes, **options)


def contents(out: Path) -> Mapping[str, str]:
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file()
    }


def fingerprints(kept: list[pa.Table]) -> Any:
    def keep(table: pa.Table) -> Document:
        kept.append(table.drop(["stamp"]))  # that of a new file says little
        return {}

    return keep


@pytest.mark.parametrize(
    "image", [RESIZED, ImageOptions(encoding=".png", color=1), ImageOptions(quality=70)]
)
def test_every_format_has_the_same_bytes_however_many_processes(
    tmp_path: Path, image: ImageOptions
) -> None:
    rows = batch(tmp_path / "images", drawn(junk=JUNK, absent=None))
    kept: list[pa.Table] = []
    written = []
    for processes in (1, 2, 3, 5):
        out = tmp_path / f"out-{processes}"
        options = {"keep": fingerprints(kept)}
        assert write(out, tmp_path / "images", rows, processes, image, **options) == 60
        written.append(contents(out))
    assert len(written[0]) >= 3 * len(FORMATS)
    assert written[1:] == [written[0]] * 3
    assert all(each.equals(kept[0]) for each in kept)
    assert multiprocessing.active_children() == []


@SEVERAL
def test_images_are_compared_with_what_was_verified_in_every_process(
    tmp_path: Path, out: Path, processes: int
) -> None:
    class Known:
        """The hashes of what other images had."""

        def at(self, sources: list[str], offsets: list[int]) -> list[bytes | None]:
            del offsets
            return [bytes(16) if source == "40.img" else None for source in sources]

    rows = batch(tmp_path, drawn())
    texts = []
    for count in (1, processes):
        with pytest.raises(TreeRefused, match="an image is not what it was") as error:
            write(out, tmp_path, rows, count, members=Known())
        texts.append(str(error.value))
    assert texts[0] == texts[1]
    assert "40.img" in texts[0]
    with pytest.raises(MemberDiffers, match=r"40\.img"):
        write(out, tmp_path, rows, processes, members=Known(), whole_files=False)


@SEVERAL
def test_bad_images_are_named_in_the_order_of_the_plan(
    tmp_path: Path, out: Path, processes: int
) -> None:
    rows = batch(tmp_path, drawn(one=JUNK, other=encoded()[:200], absent=None))
    texts = []
    for count in (1, processes):
        with pytest.raises(BadImage, match="3 of the images") as error:
            write(out, tmp_path, rows, count, on_bad_image="fail")
        texts.append(str(error.value))
    assert texts[0] == texts[1]
    assert texts[0].index("one") < texts[0].index("other") < texts[0].index("absent")
    assert list(contents(out)) == []


@SEVERAL
def test_what_cannot_go_on_is_the_first_in_the_plan(
    tmp_path: Path, out: Path, processes: int
) -> None:
    rows = batch(tmp_path, drawn())
    for name in ("31.img", "32.img", "59.img"):
        (tmp_path / name).write_bytes(b"longer than it was, or shorter")
    with pytest.raises(TreeRefused, match="has changed since the tree was listed") as error:
        write(out, tmp_path, rows, processes)
    assert error.value.file == str(tmp_path / "31.img")
    assert multiprocessing.active_children() == []


def test_a_killed_process_leaves_nothing_and_the_next_try_makes_the_same(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, own = batch(tmp_path / "images", drawn()), os.getpid()
    prepare = Preparation.prepare

    def die(self: Preparation, data: storage.Buffer) -> Any:
        if os.getpid() != own and len(data) == len(encoded(20)):
            os.kill(os.getpid(), signal.SIGKILL)
        return prepare(self, data)

    with monkeypatch.context() as patched:
        patched.setattr(Preparation, "prepare", die)
        with pytest.raises(TransientError, match="a process that prepares images has died"):
            write(out, tmp_path / "images", rows, 5)
    assert list(contents(out)) == []
    write(out, tmp_path / "images", rows, 5)
    write(tmp_path / "alone", tmp_path / "images", rows, 1)
    assert contents(out) == contents(tmp_path / "alone")


def test_memory_that_runs_out_in_a_process_is_told_as_in_one(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust(self: Preparation, data: storage.Buffer) -> Any:
        raise MemoryError

    monkeypatch.setattr(Preparation, "prepare", exhaust)
    with pytest.raises(MemoryError):
        write(out, tmp_path, batch(tmp_path, drawn()), 3)
    assert list(contents(out)) == []


def test_progress_moves_with_every_image_that_is_encoded(tmp_path: Path, out: Path) -> None:
    for processes in (1, 2):
        done: list[int] = []
        write(out, tmp_path, batch(tmp_path, drawn()), processes, progress=done.append)
        assert done == list(range(1, 61))


def test_each_process_reads_by_descriptors_of_its_own(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, begun = storage.open_sources, tmp_path / "begun"

    def noting(root: Location, *, whole_files: bool) -> storage.Sources:
        with begun.open("a") as file:
            file.write(f"{os.getpid()} ")
        return opened(root, whole_files=whole_files)

    rows = batch(tmp_path / "images", drawn())
    monkeypatch.setattr(storage, "open_sources", noting)
    write(out, tmp_path / "images", rows, 3)
    pids = begun.read_text().split()
    assert len(pids) == len(set(pids)) == 3
    assert pids[0] == str(os.getpid())


def test_what_one_process_reads_as_well_it_reads_alone(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def noting(work: Any, count: int, processes: int, name: str) -> Any:
        asked.append(processes)
        return in_order(work, count, processes, name)

    monkeypatch.setattr(preparing, "in_order", noting)
    monkeypatch.setattr(storage, "many_may_read", lambda _: False)
    write(out, tmp_path, batch(tmp_path, drawn()), 3)
    assert asked == [1]
