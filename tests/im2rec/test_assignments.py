"""What im2rec.cc writes is derived here by hand from its source."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from packing import MAGIC, draw_set, drawn, read, write_list

from pipeline.errors import BadAnnotation, UsageError
from pipeline.formats.recordio.header import LabelForm
from pipeline.im2rec.assignments import Assignments, AutoResize
from pipeline.im2rec.job import PackJob, Part
from pipeline.im2rec.pack import pack
from pipeline.images.engine import engine
from pipeline.images.spec import EncodeSpec
from pipeline.images.transforms import CenterCrop, Resize


def asked(*words: str, **options: Any) -> PackJob:
    places = {"listing": Path("in.lst"), "root": Path("root"), "output": Path("out.rec")}
    own = {"orientation": None, "transcode": False}
    return Assignments.parse(words).job(**{**places, **own, **options})


def packed(root: Path, listing: Path, *words: str) -> bytes:
    job = asked(*words, root=root, listing=listing, output=root.parent / "out.rec")
    return pack(job).targets.records.read_bytes()


def test_without_a_key_images_are_encoded_anew_in_their_size() -> None:
    job = asked()
    assert job.spec == EncodeSpec(quality=95, subsampling="420", transcode=True)
    assert (job.labels, job.label_width, job.pass_through) == (None, 1, False)


def test_keys_are_understood() -> None:
    words = ("resize=256", "center_crop=1", "color=-1", "quality=7", "encoding=.png")
    job = asked(*words, "label_width=4", "pack_label=1", "nsplit=3", "part=2", threads=2)
    assert job.spec == EncodeSpec(
        (CenterCrop(), Resize(256)),
        encoding=".png",
        quality=7,
        subsampling="420",
        color=-1,
        orientation="ignore",
        transcode=True,
    )
    assert (job.labels, job.label_width) == (LabelForm.CPP, 4)
    assert (job.part, job.threads) == (Part(2, 3), 2)
    assert job.targets.records == Path("out.rec.part002")


def test_the_crop_is_done_only_where_a_size_is_given() -> None:
    assert asked("center_crop=1").spec.transforms == ()
    assert Assignments.parse(["center_crop=1", "inter_method=2"]).ignored_options() == [
        "center_crop=1",
        "inter_method=2",
    ]
    assert Assignments.parse(["center_crop=1", "resize=8"]).ignored_options() == []


def test_unchanged_images_keep_their_bytes_and_other_keys_are_ignored() -> None:
    assert asked("unchanged=1", "resize=256").pass_through
    assert Assignments.parse(["unchanged=1", "resize=256", "label_width=2"]).ignored_options() == [
        "resize=256"
    ]


def test_the_level_of_a_png_is_3_unless_it_is_one() -> None:
    assert asked("encoding=.png").spec.quality == 3
    assert asked("encoding=.png", "quality=9").spec.quality == 9


@pytest.mark.parametrize(
    ("method", "name"),
    [(0, "nearest"), (1, "bilinear"), (2, "bicubic"), (3, "box"), (4, "lanczos")],
)
def test_filters_have_their_numbers(method: int, name: str) -> None:
    transforms = asked("resize=8", f"inter_method={method}").spec.transforms
    assert transforms == (Resize(8, filter=name),)  # type: ignore[arg-type]
    assert asked("resize=8").spec.transforms == (Resize(8),)


def test_the_automatic_filter_follows_the_size() -> None:
    data = drawn()
    pillow = engine("pillow")

    def done(transform: AutoResize | Resize) -> bytes:
        return pillow.process(data, EncodeSpec((transform,))).encoded

    assert asked("resize=8", "inter_method=9").spec.transforms == (AutoResize(8),)
    assert done(AutoResize(50)) == done(Resize(50, filter="box"))
    assert done(AutoResize(700)) == done(Resize(700, filter="bicubic"))
    assert done(AutoResize(50)) != done(Resize(50, filter="bilinear"))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["size=256"], "no parameter"),
        (["resize"], "no parameter"),
        (["--resize=256"], "no parameter"),
        (["resize=1", "resize=2"], "resize twice"),
        (["resize=big"], "not a whole number"),
        (["resize="], "not a whole number"),
        (["pack_label=1"], "several labels"),
        (["pack_label=2", "label_width=3"], "a switch"),
        (["unchanged=yes"], "not a whole number"),
        (["inter_method=10", "resize=8"], "to chance"),
        (["inter_method=5"], "no such inter_method"),
    ],
)
def test_what_that_program_ignores_is_refused(words: list[str], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        Assignments.parse(words)


@pytest.mark.parametrize("words", [["encoding=.gif"], ["color=2"], ["part=1"], ["label_width=0"]])
def test_values_without_a_meaning_are_refused(tmp_path: Path, words: list[str]) -> None:
    root = draw_set(tmp_path, 1)
    with pytest.raises(UsageError):
        packed(root, write_list(tmp_path / "a.lst", [(0, 0, "0.jpg")]), *words)


def test_the_bytes_with_one_label(tmp_path: Path) -> None:
    root = draw_set(tmp_path, 1)
    (root / "0.jpg").write_bytes(data := drawn())
    listing = write_list(tmp_path / "a.lst", [(95099, 464, "0.jpg")])
    payload = struct.pack("<IfQQ", 0, 464.0, 95099, 0) + data
    record = MAGIC + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4)
    assert packed(root, listing, "unchanged=1") == record


def test_the_bytes_with_four_labels(tmp_path: Path) -> None:
    root = draw_set(tmp_path, 1)
    (root / "0.jpg").write_bytes(data := drawn())
    listing = write_list(tmp_path / "a.lst", [(7, 1, 2.5, 3, 4, "0.jpg")])
    header = struct.pack("<IfQQ4f", 4, 1.0, 7, 0, 1.0, 2.5, 3.0, 4.0)
    payload = header + data
    record = MAGIC + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4)
    words = ["unchanged=1", "label_width=4"]
    assert packed(root, listing, *words, "pack_label=1") == record
    first = read_one(packed(root, listing, *words), tmp_path)
    assert (first.flag, first.label, first.image) == (0, 1.0, data)


def test_too_few_or_too_many_labels_are_refused(tmp_path: Path) -> None:
    root = draw_set(tmp_path, 1)
    listing = write_list(tmp_path / "a.lst", [(7, 1, 2, "0.jpg")])
    for width in (1, 3):
        with pytest.raises(BadAnnotation):
            packed(root, listing, f"label_width={width}")


def test_parts_are_the_whole_end_to_end(tmp_path: Path) -> None:
    root = draw_set(tmp_path)
    rows = [(number, number, f"{number}.jpg") for number in range(12)]
    listing = write_list(tmp_path / "a.lst", rows)
    whole = packed(root, listing, "unchanged=1")
    words = ("unchanged=1", "nsplit=3")
    assert b"".join(packed(root, listing, *words, f"part={n}") for n in range(3)) == whole
    assert (tmp_path / "out.rec.part002.idx").exists()


def test_blanks_separate_the_fields_and_a_path_may_hold_some(tmp_path: Path) -> None:
    root = draw_set(tmp_path, 1)
    (root / "my photo.jpg").write_bytes(drawn())
    listing = tmp_path / "a.lst"
    listing.write_text("95099  464.000000     my photo.jpg\n")
    assert read_one(packed(root, listing, "unchanged=1"), tmp_path).id == 95099


def read_one(content: bytes, folder: Path) -> Any:
    path = folder / "one"
    path.write_bytes(content)
    (record,) = read(path)
    return record
