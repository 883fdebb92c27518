"""Jobs: which options change what is made, and which are refused before anything is read."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from support import RawSet

from pipeline.errors import ConfigError, UsageError
from pipeline.job import Job, resolve

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
            ({"shards": (("train", 8),)}, set()),
            ({"label_offset": 1}, set()),
            ({"on_bad_image": "skip"}, set()),
            ({"splits": ("train",)}, set()),
            ({"shards": (("validation", 3),)}, set()),
        ],
    )
    def test_follow_exactly_the_options_that_change_the_bytes(
        self, small: RawSet, out: Path, options: dict[str, object], expected: set[str]
    ) -> None:
        assert changed(small.job(out), small.job(out, **options)) == expected

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
        same = text[text.index("[splits.validation]") :].replace(
            "[splits.validation]", "[splits.same]"
        )
        own.config.write_text(text + same)
        first, second = (digests(own.job(out), split) for split in ("validation", "same"))
        assert not set(first.values()) & set(second.values())

    def test_name_the_folders(self, small: RawSet, out: Path) -> None:
        (output,) = resolve(small.job(out)).splits["train"].outputs
        assert output.folder == out / "tfrecord" / "train" / output.digest
        assert re.fullmatch("[0-9a-f]{12}", output.digest)


class TestResolved:
    def test_every_archive_is_named_once(self, small: RawSet, out: Path) -> None:
        resolved = resolve(small.job(out))
        assert [archive.name for archive in resolved.archives] == ["train", "validation"]
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

    def test_shards_are_of_the_planned_sizes(self, small: RawSet, out: Path) -> None:
        split = resolve(small.job(out, shards=(("train", 5),))).splits["train"]
        assert split.shard_sizes() == [2, 2, 3, 2, 3]
        assert split.expected.images == 12

    def test_a_choice_of_classes_gets_as_many_shards_as_it_fills(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        chosen = classes_file(small, 1, tmp_path / "one")
        splits = resolve(small.job(out, classes=chosen)).splits
        assert (splits["train"].expected.images, splits["train"].shards) == (4, 4)
        assert (splits["validation"].expected.images, splits["validation"].shards) == (2, 2)

    def test_a_format_that_is_named_twice_is_made_once(self, small: RawSet, out: Path) -> None:
        twice = resolve(small.job(out, formats=("tfrecord", "tfrecord")))
        assert twice.digest == resolve(small.job(out)).digest


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "option", "expected", "found"),
        [
            ({"splits": ("test",)}, "--split", "train, validation", "test"),
            ({"formats": ("recordio",)}, "--format", "tfrecord", "recordio"),
            ({"formats": ()}, "format", "tfrecord", "none"),
            ({"order": "random"}, "--order", "hash, name", "random"),
            ({"extras": ("devkit",)}, "--with", "none", "devkit"),
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


def test_a_job_survives_json() -> None:
    given = Job(
        raw="/raw/ü",
        out="/out",
        config="/c.toml",
        splits=("train",),
        formats=("tfrecord",),
        shards=(("train", 3), ("validation", 1)),
        order="name",
        seed=2**64 - 1,
        label_offset=0,
        classes="/classes",
        extras=("devkit",),
        on_bad_image="skip",
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
