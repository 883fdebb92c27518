"""What every shard format offers: what is written is read, parsed and found again."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from drawnlists import encoded

from pipeline import manifest, storage
from pipeline.catalog.shard_name import ShardName
from pipeline.errors import BadAnnotation, BadImage, InputRefused, OutputDamaged
from pipeline.formats import registry, without_boxes
from pipeline.formats.base import (
    DETECTION,
    JOINED,
    LABELS,
    ContiguousFormat,
    RecordOptions,
    ShardFormat,
    StoredRecord,
    WrittenShard,
)
from pipeline.formats.record import ImageRecord
from pipeline.formats.recordio.header import detection_labels
from pipeline.formats.registry import FORMATS

NAME = ShardName("train", 0, 1)
BOXES = ((0.0, 0.25, 0.5, 1.0), (0.125, 0.5, 0.75, 0.625))
PLAIN = RecordOptions(label_offset=3, boxes=True, vectors=True)
CONTIGUOUS = [name for name, made in FORMATS.items() if isinstance(made, ContiguousFormat)]
INDEXED = [name for name, made in FORMATS.items() if len(made.files("train")) > 1]
MAGIC = 0xCED7230A
MEANING = " a meaning with --format recordio only"


def record(number: int, **changes: object) -> ImageRecord:
    made = ImageRecord(
        key=f"n01/n01_{number}.JPEG",
        filename=f"n01_{number}.JPEG",
        class_index=number,
        class_id="n01",
        class_text="Größe, a",
        boxes=BOXES[: number % 3],
        width=40 + number,
        height=30,
        encoded=encoded(number),
        id=5 * number,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def records() -> list[ImageRecord]:
    """Labelled by a class, unlabelled, labelled by a list; with boxes and without."""
    odd = [
        record(4, class_index=-1, class_id="", class_text=""),
        record(5, labels=(0.5, -1.0, 2.0**30)),
    ]
    return [*map(record, range(4)), *odd]


@pytest.fixture(params=FORMATS)
def made(request: pytest.FixtureRequest) -> ShardFormat:
    return FORMATS[request.param]


def write(
    made: ShardFormat, folder: Path, given: list[ImageRecord], options: RecordOptions = PLAIN
) -> tuple[Path, ...]:
    """Write a shard; check what its writer says of it."""
    files = made.paths(folder, NAME.stem)
    with ExitStack() as stack:
        staged = [stack.enter_context(storage.StagedFile(path)) for path in files]
        writer = made.writer(staged, options, len(given))
        placements = [writer.write(each) for each in given]
        writer.finish()
        hashes = [file.content_hash for file in staged]
        storage.publish(*staged)
    assert [manifest.hash_file(path) for path in files] == hashes
    found = [(each.offset, each.length) for each in made.read(files[0])]
    assert found == [(each.offset, each.length) for each in placements]
    return files


def test_a_format_is_found_by_its_name() -> None:
    assert [made.name for made in FORMATS.values()] == list(FORMATS)
    given = ["tfrecord", "recordio", "webdataset", "hf-parquet", "mds", "arrayrecord"]
    assert list(FORMATS) == given


def test_only_tfrecord_counts_a_background_class_and_only_examples_ask_for_jpegs() -> None:
    assert {name: made.label_offset for name, made in FORMATS.items()} == {
        **dict.fromkeys(FORMATS, 0),
        "tfrecord": 1,
    }
    asking = [name for name, made in FORMATS.items() if made.jpeg_only]
    assert asking == ["tfrecord", "arrayrecord"]


def test_a_record_says_what_was_written_of_its_image(made: ShardFormat, tmp_path: Path) -> None:
    given = records()
    shard, *_ = write(made, tmp_path, given)
    for image, found in zip(given, made.read(shard), strict=True):
        parsed, stored = made.parse(found, "a shard")
        assert stored == image.encoded
        assert parsed == made.fields(image, PLAIN)


@pytest.mark.parametrize("made", CONTIGUOUS, indirect=True)
def test_a_record_is_an_image_in_what_wraps_it(made: ShardFormat, tmp_path: Path) -> None:
    assert isinstance(made, ContiguousFormat)
    given = records()
    shard, *_ = write(made, tmp_path, given)
    for image, found in zip(given, made.read(shard), strict=True):
        before, after = made.wrap(image, PLAIN)
        assert bytes(found.data) == before + bytes(image.encoded) + after
        stored = made.image(found, len(image.encoded))
        assert stored == image.encoded
        assert made.image(found, len(found.data) + 1) is None


@pytest.mark.parametrize("made", INDEXED, indirect=True)
def test_the_index_is_made_of_a_line_a_record(made: ShardFormat, tmp_path: Path) -> None:
    shard, index, *_ = write(made, tmp_path, records())
    assert made.index([found.line for found in made.read(shard)]) == index.read_bytes()


def test_two_shards_of_the_same_records_are_the_same_bytes(
    made: ShardFormat, tmp_path: Path
) -> None:
    first = write(made, tmp_path / "a", records())
    second = write(made, tmp_path / "b", records())
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize(
    "changes",
    [
        {"class_index": 2},
        {"labels": (1.0, 2.0)},
        {"encoded": encoded(7)},
    ],
)
def test_another_image_is_another_record(
    made: ShardFormat, tmp_path: Path, changes: dict[str, object]
) -> None:
    first, *_ = write(made, tmp_path / "a", [record(1)])
    second, *_ = write(made, tmp_path / "b", [record(1, **changes)])
    assert first.read_bytes() != second.read_bytes()


def test_label_offsets_leave_the_unlabelled_alone(made: ShardFormat) -> None:
    name = "label" if made.name != "recordio" else "labels"
    labelled, unlabelled = (made.fields(record(1, class_index=index), PLAIN) for index in (4, -1))
    assert (labelled[name], unlabelled[name]) in [(7, -1), ((7.0,), (-1.0,))]


def test_only_framing_that_has_lengths_can_be_left_out(made: ShardFormat, tmp_path: Path) -> None:
    shard, *_ = write(made, tmp_path, records())
    content = memoryview(shard.read_bytes())
    found: list[StoredRecord | None] = []
    for each in made.read(shard):
        view = content[each.offset : each.offset + each.length]
        assert (each.data in view.obj) if made.name == "tfrecord" else True  # type: ignore[operator]
        found.append(made.unframed(view, each.offset))
        if found[-1] is not None:
            assert (found[-1].data, found[-1].line) == (each.data, each.line)
    with_lengths = made.name in {"tfrecord", "arrayrecord"}
    assert [each is not None for each in found] == [with_lengths] * len(found)


@pytest.mark.parametrize("place", [0, 100, -700])
def test_a_shard_that_is_cut_or_gone_is_refused_by_name(
    made: ShardFormat, tmp_path: Path, place: int
) -> None:
    shard, *_ = write(made, tmp_path, records())
    content = shard.read_bytes()
    if place == 0:
        shard.unlink()
    else:
        shard.write_bytes(content[:place])
    with pytest.raises(OutputDamaged, match=str(shard)):
        list(made.read(shard))


def test_a_record_of_something_else_is_refused_with_its_place(made: ShardFormat) -> None:
    nothing = StoredRecord(0, 0, memoryview(b"\xff" * 9), b"")
    if made.name in {"webdataset", "hf-parquet", "mds"}:
        with pytest.raises(TypeError, match="another format"):
            made.parse(nothing, "a shard")
    else:
        with pytest.raises(OutputDamaged, match="a shard, record 3"):
            made.parse(nothing, "a shard, record 3")


class TestRecordIO:
    made = FORMATS["recordio"]
    detection = RecordOptions(label_offset=1, labels=LABELS[1])

    def test_a_vector_has_a_one_for_each_class_of_an_image_and_no_offset(
        self, tmp_path: Path
    ) -> None:
        options = RecordOptions(label_offset=1, multi_hot=4)
        given = [
            record(1),
            record(2, class_index=0, labels=(0.0, 3.0)),
            record(3, class_index=-1, class_id=""),
        ]
        shard, _, listing = write(self.made, tmp_path, given, options)
        found = [self.made.parse(each, "a shard")[0]["labels"] for each in self.made.read(shard)]
        assert found == [(0, 1, 0, 0), (1, 0, 0, 1), (0, 0, 0, 0)]
        assert found == [self.made.fields(each, options)["labels"] for each in given]
        line = "10\t1.000000\t0.000000\t0.000000\t1.000000\tn01/n01_2.JPEG"
        assert listing.read_text().splitlines()[1] == line

    def test_lists_images_as_they_lie_in_a_tree(self, tmp_path: Path) -> None:
        odd = [
            record(1),
            record(2, key="n01_2.JPEG"),  # of a flat archive: in a tree it lies below its class
            record(3, class_id="", key="a/b c/x.jpg", filename="x.jpg"),
            record(4, class_id="", key="/abs/y.jpg#20", filename="y.jpg"),
            record(5, class_id="", key="/z.jpg", filename="z.jpg"),
            record(6, class_id="", key="w.jpg", filename="w.jpg", class_index=-1),
            record(7, class_id="/m/01dws", key="07.jpg", filename="07.jpg"),
        ]
        _, index, listing = write(self.made, tmp_path, odd)
        assert listing.read_text().splitlines() == [
            "5\t4.000000\tn01/n01_1.JPEG",
            "10\t5.000000\tn01/n01_2.JPEG",
            "15\t6.000000\ta/b c/x.jpg",
            "20\t7.000000\t/abs/y.jpg",
            "25\t8.000000\t/z.jpg",
            "30\t-1.000000\tw.jpg",
            "35\t10.000000\t07.jpg",
        ]
        ids = [line.split("\t")[0] for line in index.read_text().splitlines()]
        assert ids == ["5", "10", "15", "20", "25", "30", "35"]

    @pytest.mark.parametrize(("own", "packed"), [((), [3, 3]), ((0, 7), [1, 8]), ((-1, 0), [3, 1])])
    def test_packs_classes_and_boxes_for_detection(
        self, tmp_path: Path, own: tuple[int, ...], packed: list[int]
    ) -> None:
        image = record(2, box_classes=own)
        shard, *_ = write(self.made, tmp_path, [image], self.detection)
        (found,) = self.made.read(shard)
        parsed, _ = self.made.parse(found, "")
        expected = detection_labels(packed, BOXES, header=(42, 30))
        assert parsed == {"id": 10, "labels": tuple(expected.tolist())}
        assert self.made.fields(image, self.detection) == parsed

    @pytest.mark.parametrize(
        "changes",
        [{"boxes": ()}, {"class_index": -1}, {"class_index": -1, "box_classes": (0, -1)}],
    )
    def test_packs_no_image_without_a_box_or_a_class_for_detection(
        self, tmp_path: Path, changes: dict[str, object]
    ) -> None:
        with pytest.raises(BadAnnotation):
            write(self.made, tmp_path, [record(2, **changes)], self.detection)

    @pytest.mark.parametrize(
        "changes",
        [
            {"id": MAGIC},
            {"id": MAGIC << 32},
            {"labels": (-1804698880.0,)},
            {"labels": (1.0, -1804698880.0)},
        ],
    )
    def test_refuses_an_id_or_a_label_that_holds_the_magic(
        self, tmp_path: Path, changes: dict[str, object]
    ) -> None:
        with pytest.raises(BadAnnotation, match="has the bits of RecordIO"):
            write(self.made, tmp_path, [record(0), record(1, **changes)])
        assert list(tmp_path.iterdir()) == []

    def test_refuses_an_id_that_two_images_have(self, tmp_path: Path) -> None:
        with pytest.raises(BadAnnotation, match="one id"):
            write(self.made, tmp_path, [record(0), record(1, id=0)])

    def test_makes_no_file_without_a_record(self, tmp_path: Path) -> None:
        with pytest.raises(InputRefused, match="may not be empty"):
            write(self.made, tmp_path, [])
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["recordio", "webdataset", "hf-parquet", "mds"])
def test_a_png_is_stored_as_it_is(tmp_path: Path, name: str) -> None:
    made, png = FORMATS[name], encoded(3, "RGBA", "PNG")
    shard, *_ = write(made, tmp_path, [record(0), record(1, encoded=png)], PLAIN)
    assert [bytes(made.parse(each, "")[1]) for each in made.read(shard)][1] == png


def test_webdataset_refuses_what_is_neither_jpeg_nor_png(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="member of a WebDataset shard"):
        write(FORMATS["webdataset"], tmp_path, [record(0, encoded=b"GIF89a" + bytes(40))])


def test_webdataset_names_samples_less_the_customary_suffix(tmp_path: Path) -> None:
    made = FORMATS["webdataset"]
    given = [record(0, key=f"a/b.{end}") for end in ("jpg", "JPEG")]
    names = [made.fields(each, RecordOptions(0, suffix=".jpg"))["name"] for each in given]
    assert names == ["a/b", "a/b%2EJPEG"]
    shard, *_ = write(made, tmp_path, given, RecordOptions(0, suffix=".jpg"))
    found = [made.parse(each, "")[0]["name"] for each in made.read(shard)]
    assert found == names


@pytest.mark.parametrize(
    ("formats", "given", "said"),
    [
        ([], [], []),
        (["tfrecord"], [], []),
        (["recordio"], [DETECTION, JOINED], []),
        (["tfrecord", "recordio"], [JOINED], []),
        (["tfrecord"], [JOINED], [f"{JOINED} has{MEANING}"]),
        (["webdataset", "facts"], [DETECTION], [f"{DETECTION} has{MEANING}"]),
        (["facts"], [JOINED, DETECTION], [f"{DETECTION} and {JOINED} have{MEANING}"]),
    ],
)
def test_an_option_of_some_formats_means_nothing_to_others(
    formats: list[str], given: list[str], said: list[str]
) -> None:
    assert list(registry.without_meaning(formats, given)) == said


def test_each_option_of_a_format_is_told_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(FORMATS["tfrecord"]), "takes", (JOINED,))
    assert list(registry.without_meaning(["webdataset"], [JOINED, DETECTION])) == [
        "--joined has a meaning with --format tfrecord or recordio only",
        "--labels detection has a meaning with --format recordio only",
    ]
    assert registry.titles(JOINED) == "TFRecord, RecordIO"


@pytest.mark.parametrize("name", registry.ALL)
def test_no_two_files_of_an_output_have_one_name(name: str) -> None:
    made = registry.ALL[name]
    files = [*made.files("train-00000-of-00001"), *made.whole_files(), *made.files("train")]
    assert len({*files, "manifest.json", "facts.parquet"}) == len(files) + 2
    assert all(file.count("/") < 2 for file in files)


def test_only_what_takes_boxes_for_labels_lists_the_images_without() -> None:
    shards = [
        WrittenShard("train-00000-of-00002", 9, 3, ["a", "b"]),
        WrittenShard("train-00001-of-00002", 9, 3),
        WrittenShard("train-00002-of-00002", 9, 3, ["c"]),
    ]
    options = RecordOptions(0, DETECTION.rpartition(" ")[2])
    for made in FORMATS.values():
        plain = made.whole("train", shards, RecordOptions(0))
        assert without_boxes.NAME not in plain
        assert plain.keys() <= set(made.whole_files())
    recordio = FORMATS["recordio"]
    written = recordio.whole("train", shards, options)
    content = b"".join(written[without_boxes.NAME])
    assert content == b"0\ta\n0\tb\n2\tc\n"
    assert without_boxes.parsed(content + b"x\td\n") == {0: ["a", "b"], 2: ["c"]}
