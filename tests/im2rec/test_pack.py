from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from packing import (
    MAGIC,
    draw_set,
    drawn,
    encoding,
    index,
    list_all,
    names,
    passing,
    read,
    saved,
    write_list,
)
from PIL import Image

from pipeline import manifest
from pipeline.documents.packed import PackManifest
from pipeline.errors import BadAnnotation, BadImage, InputRefused, NoSpace, UsageError
from pipeline.formats.recordio.header import LabelForm
from pipeline.im2rec.pack import pack
from pipeline.images.orientation import with_orientation
from pipeline.images.raster import Pixels
from pipeline.images.transforms import CenterCrop, Compose, Resize

OUTPUTS = ("a.rec", "a.idx", "a.manifest.json")
BAD = {
    "missing.jpg": None,
    "empty.jpg": b"",
    "page.jpg": b"<html>not found</html>",
    "animation.gif": saved("GIF"),
    "clip.jpg": saved("WEBP") if Image.init() and "WEBP" in Image.SAVE else saved("GIF"),
}
FOREIGN = ("animation.gif", "clip.jpg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw_set(tmp_path)


@pytest.fixture
def listing(root: Path) -> Path:
    return list_all(root)


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def put_bad(root: Path, listing: Path, *bad: str) -> Path:
    """Put images that cannot be packed behind the third line of a list."""
    for name in bad:
        content = BAD[name]
        if content is not None:
            (root / name).write_bytes(content)
    lines = listing.read_text().splitlines()
    lines[3:3] = [f"{1000 + place}\t0\t{name}" for place, name in enumerate(bad)]
    listing.write_text("\n".join(lines) + "\n")
    return listing


@pytest.mark.parametrize("threads", [1, 2])
def test_records_hold_the_files_in_the_order_of_the_list(
    root: Path, listing: Path, threads: int
) -> None:
    packed = pack(passing(root, listing, threads=threads))
    rows = [line.split("\t") for line in listing.read_text().splitlines()]
    found = read(packed.targets.records)
    assert [(r.flag, r.id, r.label, r.id2) for r in found] == [
        (0, int(key), float(label), 0) for key, label, _ in rows
    ]
    assert [r.image for r in found] == [(root / name).read_bytes() for *_, name in rows]
    assert index(packed.targets.index) == [(r.id, r.offset) for r in found]
    assert (packed.lines, packed.records, packed.left_out) == (12, 12, ())
    assert packed.bytes == packed.targets.records.stat().st_size


@pytest.mark.parametrize("passes", [True, False])
def test_the_bytes_are_the_same_however_many_do_the_work(
    root: Path, listing: Path, tmp_path: Path, passes: bool
) -> None:
    found = []
    for threads, batch in ((1, 4096), (2, 1), (3, 5)):
        options = {"threads": threads, "batch_size": batch}
        job = passing(root, listing, **options) if passes else encoding(root, listing, **options)
        pack(job)
        found.append(outputs(tmp_path))
    assert found[0] == found[1] == found[2]


def test_many_chunks_of_a_batch_come_in_order(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(number, 0, f"{number % 12}.jpg") for number in range(200)]
    listing = write_list(tmp_path / "a.lst", rows)
    whole = pack(passing(root, listing))
    expected = outputs(tmp_path)
    monkeypatch.setattr("pipeline.im2rec.encode.CHUNK_BYTES", 20_000)
    monkeypatch.setattr("pipeline.im2rec.pool._AHEAD", 100_000)
    assert whole.bytes > 1_000_000
    for threads in (1, 3):
        pack(passing(root, listing, threads=threads))
        assert outputs(tmp_path) == expected


def test_the_manifest_says_what_was_written(root: Path, listing: Path, tmp_path: Path) -> None:
    pack(encoding(root, listing, CenterCrop(), Resize(32)))
    whole = manifest.read_whole(tmp_path / "a.manifest.json", PackManifest)
    assert whole is not None
    entries, document = whole.files, manifest.load(tmp_path / "a.manifest.json")
    assert [entry.file for entry in entries] == ["a.rec", "a.idx"]
    for entry in entries:
        assert manifest.hash_file(tmp_path / entry.file) == entry.xxh3_128
    source = {"list": "a.lst", "xxh3_128": manifest.hash_file(listing), "root": "images"}
    assert document["inputs"] == [source]
    assert document["parameters"]["encode"]["transforms"] == [
        "CenterCrop(size=None)",
        "Resize(size=32, mode=None, never_enlarge=False, filter=None)",
    ]
    assert document["codec"].startswith("pillow")
    assert document["counts"]["notes"] == {"cmyk-to-rgb": 3}
    assert str(tmp_path) not in (tmp_path / "a.manifest.json").read_text()


def test_transforms_are_done_and_functions_that_cannot_be_pickled_too(
    root: Path, listing: Path
) -> None:
    packed = pack(encoding(root, listing, Resize(40), lambda pixels: pixels[:30], threads=2))
    for record in read(packed.targets.records):
        with Image.open(io.BytesIO(record.image)) as image:
            assert image.height == 30


@pytest.mark.parametrize("threads", [1, 2])
def test_a_float_tensor_is_refused_with_a_reason(
    root: Path, listing: Path, tmp_path: Path, threads: int
) -> None:
    def to_tensor(pixels: Pixels) -> Pixels:
        return pixels.transpose(2, 0, 1).astype(np.float32) / 255  # type: ignore[return-value]

    job = encoding(root, listing, Compose([Resize(300), to_tensor]), threads=threads)
    with pytest.raises(UsageError, match="to_tensor returned what no JPEG") as refusal:
        pack(job)
    assert "float32 of shape 3 x 300" in (refusal.value.found or "")
    assert "not a float tensor" in (refusal.value.remedy or "")
    assert names(tmp_path) == {"images", "a.lst"}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("threads", [1, 2])
def test_an_image_that_cannot_be_packed_is_refused_by_its_line(
    root: Path, listing: Path, tmp_path: Path, name: str, threads: int
) -> None:
    put_bad(root, listing, name)
    jobs = [passing(root, listing, threads=threads)]
    if name not in FOREIGN:  # where images are encoded anew, these are taken
        jobs.append(encoding(root, listing, threads=threads))
    for job in jobs:
        with pytest.raises(BadImage) as refusal:
            pack(job)
        assert refusal.value.file == str(root / name)
        assert refusal.value.place == f"line 4 of {listing}"
        assert "--error-limit" in (refusal.value.remedy or "")
        assert "--on-bad-image" not in str(refusal.value)
        assert names(tmp_path) == {"images", "a.lst"}


@pytest.mark.parametrize("threads", [1, 2])
def test_images_within_the_limit_are_left_out_and_named(
    root: Path, listing: Path, tmp_path: Path, threads: int
) -> None:
    whole = pack(passing(root, listing))
    expected = whole.targets.records.read_bytes()
    put_bad(root, listing, *BAD)
    packed = pack(passing(root, listing, threads=threads, error_limit=5))
    assert packed.targets.records.read_bytes() == expected
    assert [each.line for each in packed.left_out] == [4, 5, 6, 7, 8]
    assert [each.path for each in packed.left_out] == list(BAD)
    assert packed.left_out[0].reason == "there is no such image"
    document = manifest.load(tmp_path / "a.manifest.json")
    assert document["counts"]["left_out"] == 5
    assert document["left_out"][2] == {
        "line": 6,
        "id": 1002,
        "path": "page.jpg",
        "reason": "not an image in a known format; found HTML page",
    }


def test_the_same_command_packs_what_is_there_and_intact_by_now(
    root: Path, listing: Path, tmp_path: Path
) -> None:
    first = next(root.iterdir())
    before, intact = read(pack(passing(root, listing)).targets.records), first.read_bytes()
    for content in (b"no image".ljust(len(intact)), None):  # of the same size; absent
        first.unlink() if content is None else first.write_bytes(content)
        assert len(pack(passing(root, listing, error_limit=1)).left_out) == 1
        first.write_bytes(intact)
        packed = pack(passing(root, listing, error_limit=1))
        assert packed.left_out == ()
        assert read(packed.targets.records) == before
    assert manifest.load(tmp_path / "a.manifest.json")["counts"]["left_out"] == 0


def test_one_image_more_than_the_limit_is_refused(
    root: Path, listing: Path, tmp_path: Path
) -> None:
    put_bad(root, listing, *BAD)
    with pytest.raises(BadImage, match="more images cannot be packed") as refusal:
        pack(passing(root, listing, threads=2, error_limit=4))
    assert refusal.value.place == "line 8"
    assert names(tmp_path) == {"images", "a.lst"}


def test_a_folder_and_a_pipe_are_no_images(root: Path, listing: Path) -> None:
    (root / "folder.jpg").mkdir()
    os.mkfifo(root / "pipe.jpg")
    write_list(listing, [(0, 0, "0.jpg"), (1, 0, "folder.jpg"), (2, 0, "pipe.jpg")])
    packed = pack(passing(root, listing, error_limit=2))
    assert [each.line for each in packed.left_out] == [2, 3]


@pytest.mark.parametrize("passes", [True, False])
def test_an_image_too_large_for_a_record_is_left_out(
    root: Path, listing: Path, monkeypatch: pytest.MonkeyPatch, passes: bool
) -> None:
    monkeypatch.setattr("pipeline.im2rec.image_files._LARGEST", 100_000)
    if passes:
        (root / "5.jpg").write_bytes(drawn() + bytes(100_000))
        job = passing(root, listing, error_limit=1)
    else:  # it is small until it is encoded anew
        Image.new("RGB", (30, 30)).save(root / "5.jpg", "JPEG")
        job = encoding(root, write_list(listing, [(0, 0, "0.jpg"), (1, 0, "5.jpg")]), enlarge)
        job = replace(job, error_limit=1)
    (left_out,) = pack(job).left_out
    assert left_out.path == "5.jpg"
    assert left_out.reason.startswith("an image too large to pack")


def enlarge(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    return noise if pixels.shape == (30, 30, 3) else pixels


def test_a_list_of_which_nothing_is_left_is_refused(
    root: Path, listing: Path, tmp_path: Path
) -> None:
    write_list(listing, [(0, 0, "missing.jpg")])
    with pytest.raises(InputRefused, match="no image is left"):
        pack(passing(root, listing, error_limit=1))
    assert names(tmp_path) == {"images", "a.lst"}


def test_gif_becomes_a_jpeg_where_that_is_asked_for(root: Path, listing: Path) -> None:
    put_bad(root, listing, "animation.gif")
    with pytest.raises(BadImage, match="GIF") as refusal:
        pack(passing(root, listing))
    assert "--transcode" in (refusal.value.remedy or "")
    assert pack(encoding(root, listing)).notes["gif-transcoded"] == 1
    packed = pack(passing(root, listing, transcode=True))
    assert packed.notes == {"gif-transcoded": 1}
    assert read(packed.targets.records)[3].image[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize("orientation", [None, "keep", "bake", "refuse"])
def test_images_that_lie_turned_are_counted_and_treated_as_asked(
    root: Path, listing: Path, orientation: str | None
) -> None:
    turned = with_orientation(drawn(), "JPEG", 6)
    (root / "5.jpg").write_bytes(turned)
    (root / "6.jpg").write_bytes(with_orientation(saved("PNG"), "PNG", 3))
    job = passing(root, listing, orientation=orientation, error_limit=2)
    packed = pack(job)
    found = {record.image for record in read(packed.targets.records)}
    if orientation == "refuse":
        assert [each.path for each in packed.left_out] == ["5.jpg", "6.jpg"]
    elif orientation == "bake":
        assert packed.notes == {"orientation-3-baked": 1, "orientation-6-baked": 1}
        assert turned not in found
        assert sum(image.startswith(b"\x89PNG") for image in found) == 1
    else:
        assert packed.notes == {"orientation-3-kept": 1, "orientation-6-kept": 1}
        assert turned in found


def test_sixteen_bits_are_counted(root: Path, listing: Path) -> None:
    (root / "5.jpg").write_bytes(saved("PNG", "I;16"))
    assert pack(passing(root, listing)).notes == {"16-bit": 1}


def test_the_magic_number_in_an_image_is_cut_out(root: Path, listing: Path) -> None:
    data = drawn()
    comment = b"\xff\xfe\0\x0a" + MAGIC * 2  # behind SOI: at bytes 30 and 34 of the payload
    for shift in range(4):
        padded = b"\xff\xfe" + (2 + shift).to_bytes(2, "big") + bytes(shift)
        (root / f"{shift}.jpg").write_bytes(data[:2] + padded + comment + data[2:])
    packed = pack(passing(root, listing))
    content = packed.targets.records.read_bytes()
    assert sum(content[at : at + 4] == MAGIC for at in range(0, len(content), 4)) == 12 + 2
    images = [record.image for record in read(packed.targets.records)]
    listed = [line.split("\t")[2] for line in listing.read_text().splitlines()]
    assert images == [(root / name).read_bytes() for name in listed]


@pytest.mark.parametrize("key", [0xCED7230A, 0xCED7230A << 32])
def test_an_id_with_the_bits_of_the_magic_number_is_refused(root: Path, key: int) -> None:
    listing = write_list(root.parent / "a.lst", [(0, 0, "0.jpg"), (key, 0, "1.jpg")])
    with pytest.raises(BadAnnotation, match="magic number") as refusal:
        pack(passing(root, listing))
    assert (refusal.value.file, refusal.value.place) == (str(listing), "line 2")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (None, (0, 4.0, ())),
        (LabelForm.PYTHON, (3, 0.0, (4.0, 5.0, 0.25))),
        (LabelForm.CPP, (3, 4.0, (4.0, 5.0, 0.25))),
        (LabelForm.VECTOR, (3, 0.0, (4.0, 5.0, 0.25))),
    ],
)
def test_labels_are_stored_as_asked_and_the_lost_are_counted(
    root: Path,
    tmp_path: Path,
    form: LabelForm | None,
    expected: tuple[int, float, tuple[float, ...]],
) -> None:
    rows = [(1, 4, 5, 0.25, "1.jpg"), (0, 4, 5, 0.25, "0.jpg")]
    packed = pack(passing(root, write_list(tmp_path / "a.lst", rows), labels=form))
    found = read(packed.targets.records)
    assert [(r.flag, r.label, r.labels) for r in found] == [expected] * 2
    assert packed.unstored == 2 * (form is None)
    counts = manifest.load(tmp_path / "a.manifest.json")["counts"]
    assert (counts["labels_not_stored"], counts["labels"]) == (packed.unstored, [3, 3])


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (LabelForm.PYTHON, (0, 0.5, ())),
        (LabelForm.CPP, (0, 0.5, ())),
        (LabelForm.VECTOR, (1, 0.0, (0.5,))),
    ],
)
def test_one_label_is_a_vector_only_where_that_is_asked_for(
    root: Path, tmp_path: Path, form: LabelForm, expected: tuple[int, float, tuple[float, ...]]
) -> None:
    job = passing(root, write_list(tmp_path / "a.lst", [(0, 0.5, "0.jpg")]), labels=form)
    (found,) = read(pack(job).targets.records)
    assert (found.flag, found.label, found.labels) == expected


def test_numbers_of_labels_that_differ_are_refused_where_they_are_stored(
    root: Path, tmp_path: Path
) -> None:
    box = (0, 0.1, 0.1, 0.9, 0.9)
    rows = [(1, 2, 5, *box, "1.jpg"), (0, 2, 5, *box, *box, "0.jpg")]
    listing = write_list(tmp_path / "a.lst", rows)
    packed = pack(passing(root, listing, labels=LabelForm.PYTHON))
    assert packed.label_widths == (7, 12)
    assert manifest.load(packed.targets.manifest)["counts"]["labels"] == [7, 12]
    write_list(listing, [*rows, (2, 2, 5, "2.jpg")])
    with pytest.raises(BadAnnotation, match="from 2 to 12 labels") as refusal:
        pack(passing(root, listing, labels=LabelForm.VECTOR))
    assert (refusal.value.file, refusal.value.place) == (str(listing), "line 3")
    assert pack(passing(root, listing)).unstored == 3  # a remedy: the first label is stored


def test_what_was_packed_is_listed_with_all_its_labels(root: Path, tmp_path: Path) -> None:
    rows = [(1, 4, 5, 0.25, "1.jpg"), (2, 0, "missing.jpg"), (0, 0.5, "0.jpg")]
    listing = write_list(tmp_path / "some.lst", rows)
    job = passing(root, listing, output=tmp_path / "a.rec", listed="a.lst", error_limit=1)
    packed = pack(job)
    assert packed.targets.listing is not None
    assert packed.targets.listing.read_text() == (
        "1\t4.000000\t5.000000\t0.25\t1.jpg\n0\t0.5\t0.jpg\n"
    )
    entries = manifest.read(tmp_path / "a.manifest.json", PackManifest).files
    assert [entry.file for entry in entries] == ["a.rec", "a.idx", "a.lst"]


def test_a_bad_line_is_refused_before_any_image_is_read(root: Path, listing: Path) -> None:
    listing.write_text(listing.read_text() + "7\t1\n")
    told: list[int] = []
    with pytest.raises(BadAnnotation, match="fields are missing"):
        pack(passing(root, listing), lambda done, _: told.append(done))
    assert told == []


def test_an_absent_list_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such image list"):
        pack(passing(root, tmp_path / "absent.lst", threads=2))
    assert names(tmp_path) == {"images"}


def test_a_list_that_changes_meanwhile_is_refused(
    root: Path, listing: Path, tmp_path: Path
) -> None:
    def change(done: int, lines: int) -> None:
        with listing.open("a") as file:
            file.write("9\t9\t9.jpg\n")

    with pytest.raises(InputRefused, match="changed while it was read"):
        pack(passing(root, listing), change)
    assert names(tmp_path) == {"images", "a.lst"}


def test_another_time_the_files_are_replaced_together(
    root: Path, listing: Path, tmp_path: Path
) -> None:
    pack(passing(root, listing))
    first = outputs(tmp_path)
    write_list(listing, [(0, 0, "missing.jpg")])
    with pytest.raises(BadImage):
        pack(passing(root, listing))
    assert outputs(tmp_path) == first
    write_list(listing, [(5, 0, "3.jpg")])
    pack(passing(root, listing))
    assert outputs(tmp_path) != first
    assert manifest.read_whole(tmp_path / "a.manifest.json", PackManifest) is not None


def test_an_output_that_cannot_be_made_durable_leaves_the_one_before_whole(
    root: Path, listing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(passing(root, listing))
    first = outputs(tmp_path)
    write_list(listing, [(5, 0, "3.jpg")])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Mock(side_effect=[None, None, OSError(errno.ENOSPC, "full")]))
        with pytest.raises(NoSpace):
            pack(passing(root, listing))
    assert outputs(tmp_path) == first
    assert manifest.read_whole(tmp_path / "a.manifest.json", PackManifest) is not None


def test_what_a_killed_command_has_left_is_swept(root: Path, listing: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from pipeline.storage import StagedFile\n"
        "kept = [StagedFile(Path(each)) for each in sys.argv[1:]]; os.kill(os.getpid(), 9)"
    )
    targets = [tmp_path / name for name in ("a.rec", "a.rec.notes", "b.rec")]
    subprocess.run([sys.executable, "-c", code, *map(str, targets)], check=False)
    assert len(names(tmp_path)) == 5
    pack(passing(root, listing))
    left = [name for name in names(tmp_path) if name.endswith(".tmp")]
    assert {name.rpartition(".")[0].rpartition(".")[0] for name in left} == {
        ".a.rec.notes",
        ".b.rec",
    }


def test_lines_done_are_told(root: Path, listing: Path) -> None:
    told: list[tuple[int, int]] = []
    pack(passing(root, listing, batch_size=5), lambda *now: told.append(now))
    assert told == [(5, 12), (10, 12), (12, 12)]
