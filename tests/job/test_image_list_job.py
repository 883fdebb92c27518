"""The job of an image list or a folder: its name, its shards, its digests, what is refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from drawnlists import ListedSet, draw_list, lay

from pipeline import paths
from pipeline.errors import BadAnnotation, InputRefused, UsageError
from pipeline.formats import registry as shardformats
from pipeline.formats.registry import FORMATS
from pipeline.formats.webdataset import index as wids
from pipeline.images.prepare import ImageOptions
from pipeline.job import build
from pipeline.job import outputs as output_job
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.job.split import SplitJob
from pipeline.shards.output import Output
from pipeline.sources import registry
from pipeline.sources.imagelist import list_rows as listrows
from pipeline.sources.imagelist import scan as imagelist
from pipeline.sources.imagelist.image_listing import ImageListing
from pipeline.sources.imagelist.source import ListSource
from pipeline.sources.source import Defaults
from pipeline.storage.local import fingerprints

ALL = {"catalog", "plan", *FORMATS}
OF_SHARDS = ALL - {"catalog"}


@pytest.fixture
def drawn(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "drawn", images=10)


def job(drawn: ListedSet, **options: object) -> Job:
    given: dict[str, object] = {
        "raw": "",
        "config": "",
        "out": str(drawn.root.parent / "out"),
        "images": str(drawn.path),
        "root": str(drawn.root),
        "steps": ("shards",),
        "formats": tuple(FORMATS),
        "boxes": False,
    }
    return Job(**(given | options))  # type: ignore[arg-type]


def split_of(asked: Job) -> SplitJob:
    resolve.cache_clear()  # the list may have changed
    (found,) = resolve(asked).splits.values()
    return found


def listing(split: SplitJob) -> ImageListing:
    assert isinstance(split.source, ListSource)
    return split.source.listing


def outputs(asked: Job) -> dict[str, Output]:
    return {output.format: output for output in split_of(asked).outputs}


def digests(asked: Job) -> dict[str, str]:
    found = split_of(asked)
    made = {output.format: output.digest for output in found.outputs}
    return made | {"catalog": found.catalog_digest, "plan": found.plan_digest}


def changed(first: dict[str, str], second: dict[str, str]) -> set[str]:
    return {name for name in ALL if first[name] != second[name]}


@pytest.mark.parametrize(
    ("images", "name", "expected"),
    [
        ("/lists/train.lst", "", "train"),
        ("/lists/train.v2.lst", "", "train_v2"),
        ("/lists/Größe 1.txt", "", "Gr_e_1_txt"),
        ("/lists/-_-.lst", "", "images"),
        ("/images/", "", "images"),
        ("/lists/train.lst", "val_2", "val_2"),
    ],
)
def test_shards_are_named_as_is_asked_or_as_the_list_is(
    images: str, name: str, expected: str
) -> None:
    asked = Job(raw="", out="/out", config="", images=images, root="/images", name=name)
    assert list(registry.split_names(asked)) == [expected]


@pytest.mark.parametrize("name", ["a/b", "..", "-x", "_x", "a b", "ü"])
def test_a_name_that_is_none_for_shards_is_refused(drawn: ListedSet, name: str) -> None:
    with pytest.raises(UsageError, match="not a name for shards"):
        resolve(job(drawn, name=name))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"order": "name"}, OF_SHARDS),
        ({"order": "list"}, OF_SHARDS),
        ({"order": "im2rec"}, OF_SHARDS),
        ({"seed": 1}, OF_SHARDS),
        ({"shards": (("images", 3),)}, OF_SHARDS),
        ({"shards": (("images", 1),)}, set()),
        ({"name": "other"}, ALL),
        ({"name": "images"}, set()),
        ({"seed": 0}, set()),
        ({"on_bad_image": "skip"}, set()),
        ({"joined": True}, set()),
        ({"label_offset": 1}, set(FORMATS)),
        ({"image": ImageOptions(resize=8)}, set(FORMATS)),
        ({"image": ImageOptions(orientation="refuse")}, set(FORMATS)),
    ],
)
def test_options_change_the_digests_of_what_they_change(
    drawn: ListedSet, options: dict[str, object], expected: set[str]
) -> None:
    assert changed(digests(job(drawn)), digests(job(drawn, **options))) == expected


def test_a_long_name_is_cut_and_two_stay_two(drawn: ListedSet) -> None:
    names = set()
    for end in "ab":
        folder = drawn.root.parent / ("n" * 249 + end)
        lay(folder / "0.jpg", (drawn.root / drawn.names[0]).read_bytes())
        (name,) = resolve(job(drawn, images=str(folder), root=str(folder))).splits
        assert len(paths.catalog_mark(Path("/out"), name, "0" * 12).name) < 255
        names.add(name)
    assert len(names) == 2
    with pytest.raises(UsageError, match="not a name for shards"):
        resolve(job(drawn, name="n" * 201))


def test_a_format_has_the_same_digest_whatever_is_made_beside_it(drawn: ListedSet) -> None:
    together = digests(job(drawn))
    for name in FORMATS:
        (alone,) = split_of(job(drawn, formats=(name,))).outputs
        assert alone.digest == together[name]
    twice = split_of(job(drawn, formats=("recordio", "recordio"))).outputs
    assert [output.format for output in twice] == ["recordio"]


def test_digests_do_not_depend_on_places_and_times(drawn: ListedSet, tmp_path: Path) -> None:
    other = draw_list(tmp_path / "else where", images=10)
    os.utime(other.path, (0, 0))
    os.utime(other.root / other.names[0], (0, 0))
    assert digests(job(drawn)) == digests(job(other))


@pytest.mark.parametrize(
    "change",
    [
        lambda drawn: drawn.add("100\t1\tcats/0.jpg"),
        lambda drawn: lay(drawn.root / "cats/0.jpg", b"something else"),
        lambda drawn: (drawn.root / "cats/0.jpg").unlink(),
    ],
    ids=["line", "size", "gone"],
)
def test_a_change_of_the_list_or_a_file_changes_every_digest(
    drawn: ListedSet, change: Callable[[ListedSet], object]
) -> None:
    before = digests(job(drawn))
    change(drawn)
    assert changed(before, digests(job(drawn))) == ALL


def test_labels_are_stored_as_they_stand_there(drawn: ListedSet) -> None:
    assert {output.label_offset for output in outputs(job(drawn)).values()} == {0}


def test_numbers_of_labels_that_mxnet_does_not_take_are_refused_for_recordio(
    drawn: ListedSet,
) -> None:
    lines = drawn.path.read_text().splitlines()
    drawn.path.write_text("\n".join([*lines[:-1], f"999\t1\t2\t{drawn.names[0]}", ""]))
    with pytest.raises(BadAnnotation, match="from 1 to 2 labels") as refusal:
        split_of(job(drawn))
    assert (refusal.value.file, refusal.value.place) == (str(drawn.path), f"line {len(lines)}")
    others = ("tfrecord", "webdataset")
    assert all(name in str(refusal.value.remedy) for name in others)
    assert split_of(job(drawn, formats=others)).expected.images == 10


def test_only_formats_of_examples_ask_for_jpegs(drawn: ListedSet) -> None:
    found = outputs(job(drawn)).items()
    asking = [name for name, output in found if output.form.repairs]
    assert asking == ["tfrecord", "arrayrecord"]


def test_samples_are_named_by_the_suffix_of_the_first_path(drawn: ListedSet) -> None:
    assert {output.form.options.suffix for output in outputs(job(drawn)).values()} == {".jpg"}


CUT = {
    "猫" * 27: False,
    "x" * 240: False,
    "猫" * 80: True,
    "/".join(["猫" * 20] * 18): True,  # short parts, and 3,258 bytes of them
    "/".join(["d" * 70] * 45): True,
    "/".join(["d" * 70] * 40): False,
}


def test_a_name_too_long_for_a_file_changes_webdataset_only(tmp_path: Path) -> None:
    found = []
    for number, name in enumerate(CUT):
        lay(tmp_path / str(number) / "a.lst", f"0\t0\tc/{name}.jpg\n".encode())
        lay(tmp_path / str(number) / "c" / f"{name}.jpg", b"x")
        listed = ListedSet(tmp_path / str(number), tmp_path / str(number) / "a.lst")
        (split,) = resolve(job(listed)).splits.values()
        defaults = Defaults(suffix=".jpg", offsets=False, repairs=False)
        plain = output_job.derive(job(listed), "a", split.shards_digest, defaults, vectors=True)
        made = zip(split.outputs, plain, strict=True)
        found.append({one.format for one, other in made if one.digest != other.digest})
    assert found == [{"webdataset"} if cut else set() for cut in CUT.values()]


@pytest.mark.parametrize("times", [1, 2])
def test_a_name_that_is_too_long_with_an_id_behind_it_counts_too(
    drawn: ListedSet, times: int
) -> None:
    """A path that is named twice is told from itself by the ids of its images."""
    name, cut = "x" * 240 + ".jpg", times > 1
    lay(drawn.root / name, b"x")
    drawn.add(*(f"{100 + number}\t0\t{name}" for number in range(times)))
    found = imagelist.scan(drawn.path, drawn.root, is_cut=shardformats.is_cut)
    assert found.long_names is cut
    rows = pa.concat_tables(listrows.catalog_rows(found))["key"].to_pylist()
    assert any(wids.is_shortened(wids.sample_name(key, ".jpg")) for key in rows) is cut


def test_without_a_number_there_is_a_shard_for_each_256_mb(tmp_path: Path) -> None:
    drawn = draw_list(tmp_path / "drawn", images=1)
    for number in range(1, 40):
        lay(drawn.root / f"{number}.jpg", b"")
        drawn.add(f"{number}\t0\t{number}.jpg")
    assert split_of(job(drawn)).shards == 1
    for name in drawn.names[:5]:
        os.truncate(drawn.root / name, 200 << 20)  # no block of it is stored
    found = split_of(job(drawn))
    assert found.shards == 4
    assert max(found.shard_sizes()) - min(found.shard_sizes()) <= 1
    os.truncate(drawn.root / drawn.names[0], 1 << 40)
    assert split_of(job(drawn)).shards == 5  # of 8 images, so that bad ones leave none empty
    for name in drawn.names[30:]:
        (drawn.root / name).unlink()
    assert split_of(job(drawn)).shards == 3  # of 8 that are there


def test_a_large_image_beside_a_small_one_makes_no_shard_of_its_own(tmp_path: Path) -> None:
    drawn = draw_list(tmp_path / "drawn", images=2)
    os.truncate(drawn.root / drawn.names[0], 600 << 20)
    assert split_of(job(drawn)).shards == 1


@pytest.mark.parametrize("others", [(), ("1\t0\tgone\\x.jpg", "2\t0\tcats/0.jpg")])
def test_paths_of_windows_are_named_and_the_remedy_works(
    tmp_path: Path, others: tuple[str, ...]
) -> None:
    drawn = ListedSet(tmp_path / "root", tmp_path / "LIST")
    lay(drawn.root / "cats/0.jpg", b"x")
    drawn.path.touch()
    drawn.add("0\t0\tcats\\0.jpg", *others)
    with pytest.raises(InputRefused, match="backslashes") as refusal:
        split_of(job(drawn))
    assert refusal.value.found == "cats\\0.jpg"
    command = str(refusal.value.remedy).partition(": ")[2]
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    found = listing(split_of(job(drawn, images=str(tmp_path / "NEW.lst"))))
    assert found.missing == len(others[:1])


@pytest.mark.parametrize(
    "path", ["C:\\set\\cats\\0.jpg", "C:/set/cats/0.jpg", "\\\\host\\cats\\0.jpg"]
)
def test_a_path_with_a_drive_or_a_server_is_refused_as_one(tmp_path: Path, path: str) -> None:
    drawn = ListedSet(tmp_path / "root", tmp_path / "a.lst")
    lay(drawn.root / "cats/0.jpg", b"x")
    drawn.path.touch()
    drawn.add(f"0\t0\t{path}")
    with pytest.raises(InputRefused, match="a drive or a server") as refusal:
        split_of(job(drawn))
    assert refusal.value.found == path
    assert str(drawn.root) in str(refusal.value.remedy)


def test_a_backslash_in_a_name_is_a_letter_where_the_file_is_there(tmp_path: Path) -> None:
    drawn = ListedSet(tmp_path / "root", tmp_path / "a.lst")
    lay(drawn.root / "cats\\0.jpg", b"x")
    drawn.path.touch()
    drawn.add("0\t0\tcats\\0.jpg", "1\t0\tgone\\1.jpg")
    found = listing(split_of(job(drawn)))
    assert (found.images, found.missing) == (2, 1)


@pytest.mark.parametrize("shards", [0, 11])
def test_a_shard_without_an_image_is_refused(drawn: ListedSet, shards: int) -> None:
    with pytest.raises(UsageError) as refusal:
        resolve(job(drawn, shards=(("images", shards),)))
    assert refusal.value.expected == "1 to 10, the number of images"
    assert refusal.value.remedy == "say --shards N with N in that range"


def test_a_list_or_a_root_that_is_not_there_is_a_usage_error(drawn: ListedSet) -> None:
    for options in ({"images": str(drawn.root / "no.lst")}, {"root": str(drawn.path)}):
        with pytest.raises(UsageError, match="there is no such"):
            resolve(job(drawn, **options))


def test_a_root_that_holds_none_of_the_images_is_refused(drawn: ListedSet, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="none of the images") as refusal:
        resolve(job(drawn, root=str(tmp_path)))
    assert "--root" in str(refusal.value.remedy)


def test_an_image_that_is_not_there_is_none_of_the_jobs_refusals(drawn: ListedSet) -> None:
    drawn.add("100\t1\tno.jpg")
    found = listing(split_of(job(drawn)))
    assert (found.images, found.missing) == (11, 1)


def test_a_bad_line_is_refused_before_anything_is_written(drawn: ListedSet) -> None:
    drawn.add("100\tcat\tcats/0.jpg")
    with pytest.raises(BadAnnotation) as refusal:
        resolve(job(drawn))
    assert refusal.value.place == "line 11"
    assert not (drawn.root.parent / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"order": "inception"},
        {"labels": "detection"},
        {"formats": ("tfrecord",), "joined": True},
        {"image": ImageOptions(encoding=".png")},
        {"image": ImageOptions(filter="box")},
        {"formats": ()},
        {"splits": ("train",)},
    ],
)
def test_options_without_a_meaning_are_refused(
    drawn: ListedSet, options: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        resolve(job(drawn, **options))


def test_a_folder_is_a_list_of_its_own(drawn: ListedSet) -> None:
    asked = job(drawn, images=str(drawn.root), recursive=True)
    assert split_of(asked).expected.images == 10
    assert set(resolve(asked).splits) == {"root"}
    fewer = replace(asked, extensions=(".png",))
    assert split_of(fewer).expected.images == 2
    assert digests(fewer)["catalog"] != digests(asked)["catalog"]


class TestSplitFolders:
    NAMES = ("train/ant", "train/bee", "train/cow", "val/ant", "val/cow")

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for size, name in enumerate(self.NAMES, start=1):
            lay(tmp_path / "set" / name / "0.jpg", b"x" * size)
        return tmp_path / "set"

    def asked(self, folder: Path, **options: object) -> Job:
        return job(
            ListedSet(folder, folder), **({"recursive": True, "formats": ("recordio",)} | options)
        )

    def test_become_splits_with_one_table_of_classes(self, folder: Path) -> None:
        resolve.cache_clear()
        splits = resolve(self.asked(folder)).splits
        assert list(splits) == ["train", "val"]
        names, found = {}, {}
        for name, split in splits.items():
            classes = split.source.folder_classes
            assert classes is not None
            names[name] = classes.table.names
            rows = pa.concat_tables(listrows.catalog_rows(listing(split))).to_pylist()
            found[name] = {row["source"]: (row["key"], row["class_index"]) for row in rows}
        assert names == dict.fromkeys(("train", "val"), ("ant", "bee", "cow"))
        assert found["val"] == {
            "val/ant/0.jpg": ("ant/0.jpg", 0),
            "val/cow/0.jpg": ("cow/0.jpg", 2),
        }
        assert found["train"]["train/bee/0.jpg"] == ("bee/0.jpg", 1)

    def test_know_their_files_by_the_names_that_sources_have(self, folder: Path) -> None:
        resolve.cache_clear()
        for split in resolve(self.asked(folder)).splits.values():
            rows = pa.concat_tables(listrows.catalog_rows(listing(split)))
            count = rows.num_rows
            others = np.ones(count, np.uint64)
            kept = fingerprints.table(rows["source"].to_pylist(), others, [None] * count)
            stamps = split.source.stamps()
            assert stamps is not None
            differing = stamps.differing(kept)
            assert differing is not None
            assert len(differing) == count

    def test_take_a_table_that_is_given(self, folder: Path) -> None:
        table = lay(folder.parent / "names", b"cow\nbee\nant\n")
        resolve.cache_clear()
        for split in resolve(self.asked(folder, classes=str(table))).splits.values():
            pinned = listing(split).pinned
            assert pinned is not None
            assert pinned.names == ("cow", "bee", "ant")

    def test_have_a_number_of_shards_each(self, folder: Path) -> None:
        made = build.list_job(str(folder), "", "/out", 2, recursive=True)
        assert made.shards == (("train", 2), ("val", 2))
        assert [split.shards for split in resolve(made).splits.values()] == [2, 2]

    def test_have_no_other_names(self, folder: Path) -> None:
        with pytest.raises(UsageError, match="holds splits") as refusal:
            resolve(self.asked(folder, name="mine"))
        assert "leave --name out" in str(refusal.value.remedy)

    def test_that_are_not_alone_are_refused_until_each_is_asked_for(self, folder: Path) -> None:
        lay(folder / "more/ant/0.jpg", b"x")
        with pytest.raises(InputRefused, match="same classes") as refusal:
            resolve(self.asked(folder))
        assert f"{folder / 'train'} first, with --name train" in str(refusal.value.remedy)
        resolve.cache_clear()
        first = listing(resolve(self.asked(folder / "train", name="train")).splits["train"])
        assert first.classes is not None
        table = lay(folder.parent / "train.classes.tsv", first.classes.table.content())
        options = {"name": "val", "classes": str(table)}
        second = listing(resolve(self.asked(folder / "val", **options)).splits["val"])
        assert second.classes is not None
        assert second.classes.absent == ("bee",)

    def test_that_are_named_in_a_table_are_classes(self, folder: Path) -> None:
        lay(folder / "more/ant/0.jpg", b"x")
        names = "".join(f"{name}\n" for name in (*self.NAMES, "more/ant"))
        table = lay(folder.parent / "names", names.encode())
        resolve.cache_clear()
        assert list(resolve(self.asked(folder, classes=str(table))).splits) == ["set"]
