"""Jobs: which options change what is made, and which are refused before anything is read."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from support import RawSet

from pipeline.errors import ConfigError, UsageError
from pipeline.images.prepare import ImageOptions
from pipeline.job.append_parent import AppendParent
from pipeline.job.options import FORMATS, Job
from pipeline.job.resolve import resolve
from pipeline.job.selection_options import SelectionOptions
from pipeline.storage import RemoteOptions

ALL = {"catalog", "plan", "output"}


@pytest.fixture
def own(small: RawSet, tmp_path: Path) -> RawSet:
    """A copy of the sample, for tests that change its configuration."""
    return small.copy(tmp_path / "raw")


def classes_file(raw_set: RawSet, count: int, path: Path) -> str:
    lines = (raw_set.raw / "counts.tsv").read_text().splitlines()
    path.write_text("\n".join(line.split("\t")[0] for line in lines[:count]))
    return str(path)


def digests(job: Job, split: str = "train") -> dict[str, str]:
    found = resolve(job).splits[split]
    return {
        "catalog": found.catalog_digest,
        "plan": found.plan_digest,
        "output": found.output("tfrecord").digest,
    }


def changed(first: Job, second: Job, split: str = "train") -> set[str]:
    before, after = digests(first, split), digests(second, split)
    return {name for name in ALL if before[name] != after[name]}


class TestDigests:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"order": "name"}, {"plan", "output"}),
            ({"seed": 1}, {"plan", "output"}),
            ({"shards": (("train", 5),)}, {"plan", "output"}),
            ({"label_offset": 0}, {"output"}),
            ({"shards": (("train", 4),)}, set()),
            ({"label_offset": 1}, set()),
            ({"on_bad_image": "skip"}, set()),
            ({"splits": ("train",)}, set()),
            ({"shards": (("validation", 3),)}, set()),
            ({"boxes": False}, ALL),
            ({"box_class_filter": True}, ALL),
            ({"order": "inception", "inception_threads": 2}, {"plan", "output"}),
            ({"steps": ("lists", "extract", "shards")}, set()),
            ({"extras": ("validation-boxes",)}, set()),
            ({"skip_blacklisted": True}, set()),
            ({"replace": True}, set()),
        ],
    )
    def test_follow_exactly_the_options_that_change_the_bytes(
        self, small: RawSet, out: Path, options: dict[str, object], expected: set[str]
    ) -> None:
        assert changed(small.job(out), small.job(out, **options)) == expected

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"extras": ("validation-boxes",)}, ALL),
            ({"skip_blacklisted": True}, ALL),
            ({"boxes": False}, set()),
            ({"box_class_filter": True}, set()),
            ({"extras": ("validation-boxes",), "box_class_filter": True}, ALL),
        ],
    )
    def test_of_validation_follow_its_own_options(
        self, small: RawSet, out: Path, options: dict[str, object], expected: set[str]
    ) -> None:
        assert changed(small.job(out), small.job(out, **options), "validation") == expected

    def test_of_inception_follow_its_threads(self, small: RawSet, out: Path) -> None:
        options = {"order": "inception", "shards": (("train", 4), ("validation", 4))}
        two, four = (small.job(out, **options, inception_threads=n) for n in (2, 4))
        assert changed(two, four) == {"plan", "output"}

    def test_do_not_follow_a_seed_that_is_not_used(self, small: RawSet, out: Path) -> None:
        first = small.job(out, order="name")
        assert changed(first, replace(first, seed=5)) == set()

    def test_follow_the_chosen_classes(self, small: RawSet, out: Path, tmp_path: Path) -> None:
        two = small.job(out, classes=classes_file(small, 2, tmp_path / "two"))
        same = small.job(out, classes=classes_file(small, 2, tmp_path / "same"))
        one = small.job(out, classes=classes_file(small, 1, tmp_path / "one"))
        assert changed(small.job(out), two) == ALL
        assert changed(two, one) == ALL
        assert changed(two, same) == set()

    def test_do_not_follow_where_things_lie(
        self, small: RawSet, own: RawSet, out: Path, tmp_path: Path
    ) -> None:
        assert changed(small.job(out), own.job(tmp_path / "elsewhere")) == set()
        assert resolve(small.job(out)).digest == resolve(own.job(tmp_path / "elsewhere")).digest

    def test_follow_the_archive_of_their_own_split(
        self, small: RawSet, own: RawSet, out: Path
    ) -> None:
        with (own.raw / "ILSVRC2012_img_train.tar").open("ab") as archive:
            archive.write(bytes(512))
        own.repin("ILSVRC2012_img_train.tar")
        assert changed(small.job(out), own.job(out)) == ALL
        assert changed(small.job(out), own.job(out), "validation") == set()

    @pytest.mark.parametrize(
        ("file", "old", "new", "expected"),
        [
            ("sample.toml", r'file = "ILSVRC2012_img_val\.tar"', 'file = "other.tar"', ALL),
            ("sample.toml", "member = '", "member = '(?:)", ALL),
            ("validation_synsets.txt", r"(n\d+)\n(.*)", r"\2\n\1", ALL),
            ("synsets.tsv", "goldfish", "Goldfish", ALL),
            ("synsets.tsv", "\t1300\t", "\t1299\t", set()),
            ("sample.toml", 'url = "drawn', 'url = "Drawn', set()),
            ("sample.toml", "shards = 2", "shards = 3", {"plan", "output"}),
        ],
    )
    def test_follow_what_the_configuration_says_of_the_images(
        self,
        small: RawSet,
        own: RawSet,
        out: Path,
        file: str,
        old: str,
        new: str,
        expected: set[str],
    ) -> None:
        text = (own.raw / file).read_text()
        edited = re.sub(old, new, text, count=1)
        assert edited != text
        (own.raw / file).write_text(edited)
        assert changed(small.job(out), own.job(out), "validation") == expected

    def test_of_splits_that_differ_in_name_only_differ(self, own: RawSet, out: Path) -> None:
        text = own.config.read_text()
        start = text.index("[splits.validation]")
        section = text[start : text.index("\n\n", start) + 1]
        same = section.replace("[splits.validation]", "[splits.same]")
        own.config.write_text(text + same.replace('folder = "val"', 'folder = "same"'))
        first, second = (digests(own.job(out), split) for split in ("validation", "same"))
        assert not set(first.values()) & set(second.values())

    def test_name_the_folders(self, small: RawSet, out: Path) -> None:
        (output,) = resolve(small.job(out)).splits["train"].outputs
        assert output.folder == out / "tfrecord" / "train" / output.digest
        assert re.fullmatch("[0-9a-f]{12}", output.digest)


class TestResolved:
    def test_every_archive_is_named_once(self, small: RawSet, out: Path) -> None:
        resolved = resolve(small.job(out))
        assert [archive.name for archive in resolved.archives] == ["train", "boxes", "validation"]
        train = resolved.dataset.archives["train"]
        assert resolved.raw_file(train) == small.raw / "ILSVRC2012_img_train.tar"
        assert resolved.out == out

    def test_optional_archives_are_looked_at_when_asked_for(self, own: RawSet, out: Path) -> None:
        with own.config.open("a") as config:
            config.write(f'[optional.more]\nfile = "more.tgz"\nurl = "-"\nmd5 = "{0:032}"\n')
        plain, more = (resolve(own.job(out, extras=extras)) for extras in ((), ("more", "more")))
        assert [archive.file for archive in more.extras] == ["more.tgz"]
        assert set(more.archives) - set(plain.archives) == set(more.extras)
        assert plain.digest != more.digest

    @pytest.mark.parametrize(
        ("options", "archives", "products"),
        [
            ({"steps": ("boxes",)}, ["boxes"], ["bboxes-train"]),
            (
                {"steps": ("lists",), "boxes": False, "splits": ("train",)},
                ["train"],
                ["list-train", "labels"],
            ),
            (
                {"steps": ("extract",), "boxes": False, "splits": ("validation",)},
                ["validation"],
                ["tree-validation"],
            ),
            ({"steps": ("verify",)}, ["train", "boxes", "validation"], []),
            (
                {"splits": ("validation",), "extras": ("validation-boxes",)},
                ["validation", "validation-boxes"],
                ["bboxes-validation", "list-validation", "unmatched-validation", "labels"],
            ),
            (
                {"extras": ("test",), "boxes": False},
                ["train", "validation", "test"],
                ["list-train", "list-validation", "list-test", "labels"],
            ),
        ],
    )
    def test_a_job_needs_the_archives_of_its_products_only(
        self,
        small: RawSet,
        out: Path,
        options: dict[str, object],
        archives: list[str],
        products: list[str],
    ) -> None:
        resolved = resolve(small.job(out, **options))
        assert [archive.name for archive in resolved.archives] == archives
        assert [product.name for product in resolved.products] == products

    def test_lists_and_trees_do_not_follow_the_boxes_or_the_order(
        self, small: RawSet, out: Path
    ) -> None:
        made = ("lists", "extract", "shards")
        plain = resolve(small.job(out, steps=made, boxes=False))
        other = resolve(small.job(out, steps=made, order="name", shards=(("train", 3),)))
        of_boxes = ("bboxes", "unmatched")
        assert [p for p in other.products if p.kind not in of_boxes] == list(plain.products)

    def test_shards_are_of_the_planned_sizes(self, small: RawSet, out: Path) -> None:
        split = resolve(small.job(out, shards=(("train", 5),))).splits["train"]
        assert split.shard_sizes() == [2, 2, 3, 2, 3]
        assert split.expected.images == 12

    def test_a_choice_of_classes_gets_as_many_shards_as_it_fills(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        chosen, many = classes_file(small, 1, tmp_path / "one"), small.copy(tmp_path / "many")
        many.config.write_text(many.config.read_text().replace("shards = 4\n", "shards = 8\n"))
        splits = resolve(many.job(out, classes=chosen)).splits
        assert (splits["train"].expected.images, splits["train"].shards) == (4, 4)
        assert (splits["validation"].expected.images, splits["validation"].shards) == (2, 2)

    def test_a_format_that_is_named_twice_is_made_once(self, small: RawSet, out: Path) -> None:
        twice = resolve(small.job(out, formats=("tfrecord", "tfrecord")))
        assert twice.digest == resolve(small.job(out)).digest


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "option", "expected", "found"),
        [
            ({"splits": ("tests",)}, "--split", "train, validation, test", "tests"),
            ({"splits": ("val",)}, "--split", "train, validation, test", "val"),
            ({"formats": ("zip",)}, "--format", "tfrecord", "zip"),
            ({"formats": ()}, "format", "tfrecord", "an empty list"),
            ({"order": "random"}, "--order", "hash, name, inception", "random"),
            ({"extras": ("devkit",)}, "--with", "validation-boxes, test", "devkit"),
            ({"transfer": "steal"}, "--transfer", "copy, link, symlink, move", "steal"),
            ({"steps": ("cake",)}, "steps", "verify, boxes, lists", "cake"),
            ({"on_bad_image": "warn"}, "--on-bad-image", "fail, skip", "warn"),
            ({"shards": (("test", 3),)}, "--shards", "train, validation", "test"),
            (
                {"splits": ("train",), "shards": (("validation", 3),)},
                "--shards",
                "train",
                "validation",
            ),
            ({"shards": (("train", 13),)}, "--shards train=13", "1 to 12", "13"),
            ({"shards": (("train", 0),)}, "--shards train=0", "1 to 12", "0"),
            ({"seed": -1}, "--seed", "0 to 2**64 - 1", "-1"),
            ({"seed": 2**64}, "--seed", "0 to 2**64 - 1", str(2**64)),
            ({"label_offset": -1}, "--label-offset", "0 to", "-1"),
            ({"label_offset": 2**31}, "--label-offset", "0 to", str(2**31)),
        ],
    )
    def test_an_option_that_cannot_be_met_is_refused(
        self,
        small: RawSet,
        out: Path,
        options: dict[str, object],
        option: str,
        expected: str,
        found: str,
    ) -> None:
        with pytest.raises(UsageError) as refusal:
            resolve(small.job(out, **options))
        error = refusal.value
        assert option in error.what
        assert expected in str(error.expected)
        assert error.found == found

    @pytest.mark.parametrize(
        "image", [ImageOptions(center_crop=True), ImageOptions(orientation="bake")]
    )
    def test_what_makes_boxes_wrong_is_refused_with_a_remedy_that_works(
        self, small: RawSet, out: Path, image: ImageOptions
    ) -> None:
        with pytest.raises(UsageError, match="say --no-boxes"):
            resolve(small.job(out, image=image))
        resolve(small.job(out, image=image, boxes=False))

    @pytest.mark.parametrize("word", ["val", "valid", "vaildation"])
    def test_the_word_that_was_meant_is_named(self, small: RawSet, out: Path, word: str) -> None:
        with pytest.raises(UsageError) as refusal:
            resolve(small.job(out, splits=(word,)))
        assert refusal.value.remedy == "say validation"
        resolve(small.job(out, splits=("validation",)))

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            ({"order": "inception", "seed": 0}, "--seed has no meaning with --order inception"),
            ({"inception_threads": 2}, "--inception-threads has a meaning with --order inception"),
            ({"order": "inception", "shards": (("train", 3),)}, "--inception-threads"),
            ({"transfer": "move"}, "--transfer has a meaning with --tree and --extract only"),
            ({"skip_blacklisted": True, "splits": ("train",)}, "none of the splits"),
            ({"extras": ("test",), "steps": ("extract",)}, "has no classes"),
        ],
    )
    def test_options_that_contradict_each_other_are_refused(
        self, small: RawSet, out: Path, options: dict[str, object], what: str
    ) -> None:
        with pytest.raises(UsageError, match=what):
            resolve(small.job(out, **options))

    def test_nothing_to_read_from_is_refused(self, small: RawSet, out: Path) -> None:
        with pytest.raises(UsageError, match="--raw or --tree"):
            resolve(replace(small.job(out), raw=""))

    def test_classes_without_any_image_are_refused(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "classes").write_text("n15075141\n")
        with pytest.raises(ConfigError, match="no image is expected"):
            resolve(small.job(out, classes=str(tmp_path / "classes")))

    def test_an_unknown_class_is_refused_with_its_line(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "classes").write_text("# mine\nn00000000\n")
        with pytest.raises(ConfigError) as refusal:
            resolve(small.job(out, classes=str(tmp_path / "classes")))
        assert (refusal.value.place, refusal.value.found) == ("line 2", "'n00000000'")


def test_a_job_that_was_recorded_before_an_option_was_known_has_its_default() -> None:
    recorded = json.loads(Job("/raw", "/out", "/c.toml", seed=3).to_json())
    del recorded["tree"], recorded["steps"], recorded["boxes"]
    assert Job.from_json(json.dumps(recorded)) == Job("/raw", "/out", "/c.toml", seed=3)


@pytest.mark.parametrize(
    "job",
    [
        Job("/raw", "/out", "/c.toml", steps=("lists", "extract"), boxes=False),
        Job("", "/out", "", steps=("shards",), boxes=False, images="/a.lst", root="/r", seed=3),
    ],
)
def test_a_job_that_an_earlier_version_recorded_is_read(job: Job) -> None:
    recorded = json.loads(json.dumps(asdict(job)))  # it wrote the options of every kind of input
    recorded["products"] = recorded.pop("steps")
    recorded["picture"] = recorded.pop("image")
    assert Job.from_json(json.dumps(recorded)) == job


def test_a_job_is_recorded_without_the_options_of_another_kind_of_input() -> None:
    listed = Job("", "/out", "", steps=("shards",), boxes=False, images="/a.lst", root="/r")
    of_sets = {"raw", "config", "tree", "extras", "boxes", "box_class_filter", "skip_blacklisted"}
    assert not of_sets & json.loads(listed.to_json()).keys()
    of_lists = {"images", "root", "name", "recursive", "extensions"}
    recorded = json.loads(Job("/raw", "/out", "/c.toml").to_json())
    assert not of_lists & recorded.keys()
    assert of_sets <= recorded.keys()


def test_a_job_survives_json() -> None:
    given = Job(
        raw="/raw/ü",
        out="/out",
        config="/c.toml",
        tree="/tree",
        splits=("train",),
        steps=("extract",),
        formats=("tfrecord",),
        shards=(("train", 3), ("validation", 1)),
        order="name",
        seed=2**64 - 1,
        inception_threads=4,
        skip_blacklisted=True,
        boxes=False,
        box_class_filter=True,
        transfer="move",
        replace=True,
        label_offset=0,
        classes="/classes",
        extras=("devkit",),
        on_bad_image="skip",
        labels="detection",
        joined=True,
        image=ImageOptions(resize=256, quality=90),
        images="/list.lst",
        root="/images",
        name="mine",
        recursive=True,
        extensions=(".png",),
        path_column="file",
        label_column="kind",
        split_column="part",
        packed=True,
        source_format="tfrecord",
        shares=(("train", 0.75), ("validation", 0.25)),
        update=True,
        append=True,
        verify="beside",
        read_order="archive",
        segment_bytes=4096,
        appended=(AppendParent("train", "0123456789ab", "ba9876543210", 8),),
        exports=("parquet",),
        data_dir="/data",
        dbcollection_strict=True,
        remote=RemoteOptions(s3_endpoint="http://127.0.0.1:9", in_flight=8),
        openimages=SelectionOptions(classes=("Bear",), limit=3),
    )
    plain = Job("/raw", "/out", "/c.toml")
    assert all(
        getattr(given, f.name) != getattr(plain, f.name)
        for f in fields(Job)[3:]
        if f.name != "formats"
    )
    for job in (given, plain):
        assert Job.from_json(job.to_json()) == job
        assert hash(Job.from_json(job.to_json())) == hash(job)


@pytest.mark.parametrize("name", FORMATS)
def test_no_split_has_the_folder_of_a_format(own: RawSet, out: Path, name: str) -> None:
    own.config.write_text(own.config.read_text().replace('folder = "val"', f'folder = "{name}"'))
    with pytest.raises(ConfigError, match="folder is no usable name"):
        resolve(own.job(out))


def test_what_an_earlier_version_appended_to_is_found_out_again() -> None:
    job = Job("", "/out", "", images="/list.lst", append=True)
    document = json.loads(job.to_json()) | {"appended": [["train", "0123456789ab", "ba9876543210"]]}
    assert Job.from_json(json.dumps(document)) == job
