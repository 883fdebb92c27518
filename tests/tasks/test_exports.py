"""Whole-dataset files through the DAG: made of catalogs and facts, once, and again when lost."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import h5py
import pyarrow.parquet as pq
import pytest
import support
import xxhash
from commands import prepare, shardmill
from exportnames import OF_ALL_SETS
from finishedoutputs import DATA, EVERY, EVERY_EXPORT, kept, prepared
from PIL import Image
from support import RawSet, products, temporary_files, timings

from pipeline import manifest, paths
from pipeline.errors import UsageError
from pipeline.exports import croissant
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import preflight
from tasks.cli.rerun_command import command_line

NONE = ("--format", "none")
CLASSIFICATION, RAW256 = "dbcollection/classification.h5", "dbcollection/raw256.h5"
FILES = {
    "dbcollection": {CLASSIFICATION},
    "raw256": {RAW256},
    "parquet": {"metadata.parquet"},
    "croissant": {"metadata.parquet", "croissant.json"},
    "imagefolder": {"train/metadata.parquet", "val/metadata.parquet"},
}
TREES = {"dbcollection": {"train", "val"}, "raw256": {"train256", "val256"}}
TREES["imagefolder"] = TREES["dbcollection"]
VALIDATION = "ILSVRC2012_img_val.tar"


def export(raw_set: RawSet, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    run = prepare(raw_set, out, *NONE, *options)
    assert run.returncode == 0, run.stderr
    return run


@pytest.fixture
def made(small: RawSet) -> Path:
    """Every export of the smaller sample; never changed by a test."""
    return kept(small, *EVERY_EXPORT).out


@pytest.fixture
def copied(small: RawSet, tmp_path: Path) -> Path:
    """A copy of that, where the same command would have nothing to do."""
    prepared(small, tmp_path / "copied", *EVERY_EXPORT)
    return tmp_path / "copied"


def exported(out: Path) -> set[str]:
    """Names of the files of exports, and of the trees."""
    found = set()
    for name in products(out):
        top, _, rest = name.partition("/")
        if top in {"train", "val", "train256", "val256"} and rest != "metadata.parquet":
            found.add(top)
        elif top not in {"facts", "lists"} and not top.startswith("bboxes."):
            found.add(name)
    return found


def texts(path: Path, name: str) -> list[str]:
    """A dataset of texts."""
    with h5py.File(path) as file:
        rows = file[name][()]
    return [bytes(row).rstrip(b"\0").decode() for row in rows.reshape(-1, rows.shape[-1])]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class TestEach:
    @pytest.mark.parametrize("name", OF_ALL_SETS)
    def test_is_made_alone_and_never_twice(self, small: RawSet, out: Path, name: str) -> None:
        export(small, out, "--export", name)
        assert exported(out) == FILES[name] | TREES.get(name, set())
        assert temporary_files(out) == []
        run = export(small, out, "--export", name)
        assert "already complete" in run.stdout
        assert shardmill("status", out).returncode == 0
        run = shardmill("verify", out, "--against", small.raw)
        assert run.returncode == 0, run.stderr

    def test_is_made_beside_shards_and_with_the_others(self, sample: RawSet, out: Path) -> None:
        formats = ("--format", "tfrecord", "--format", "recordio")
        run = prepare(sample, out, *formats, *EVERY)
        assert run.returncode == 0, run.stderr
        files = {file for names in FILES.values() for file in names}
        assert exported(out) >= files | {"train", "val", "train256", "val256"}
        assert not (out / "facts").exists()
        columns = pq.read_schema(out / "metadata.parquet").names
        assert {"tfrecord_shard", "recordio_record"} <= set(columns)
        assert "already complete" in prepare(sample, out, *formats, *EVERY).stdout
        run = shardmill("verify", out)
        assert run.returncode == 0, run.stderr

    def test_has_the_same_bytes_wherever_it_lies(
        self, small: RawSet, made: Path, out: Path
    ) -> None:
        export(small, out, *EVERY, *DATA, "--dbcollection-strict", "--workers", 1)
        assert products(out) == products(made)

    def test_is_made_again_when_it_is_gone(self, small: RawSet, copied: Path) -> None:
        before, ran = products(copied), len(timings(copied))
        (copied / "croissant.json").unlink()
        assert shardmill("status", copied).returncode == 1
        export(small, copied, *EVERY, *DATA, "--dbcollection-strict")
        assert products(copied) == before
        assert [timing.step for timing in timings(copied)[ran:]] == ["exports"]

    def test_is_made_again_when_all_are_gone(self, small: RawSet, copied: Path) -> None:
        before = products(copied)
        for name in FILES.values():
            for file in name:
                (copied / file).unlink(missing_ok=True)
        for tree in ("train", "val256"):
            next((copied / tree).glob("*/*")).unlink()
        export(small, copied, *EVERY, *DATA, "--dbcollection-strict")
        assert products(copied) == before

    @pytest.mark.parametrize("name", [CLASSIFICATION, "metadata.parquet"])
    def test_of_other_classes_is_never_replaced_unasked(
        self, small: RawSet, copied: Path, name: str, tmp_path: Path
    ) -> None:
        chosen = tmp_path / "classes"
        chosen.write_text((small.raw / "counts.tsv").read_text().split("\t")[0])
        before = products(copied)
        asked = ("dbcollection", *DATA) if name == CLASSIFICATION else ("parquet",)
        options = ("--export", *asked, "--classes", chosen, "--no-boxes")
        run = prepare(small, copied, *NONE, *options)
        assert run.returncode == 2
        assert "--replace" in run.stderr
        assert products(copied) == before
        run = prepare(small, copied, *NONE, *options, "--replace")
        assert run.returncode == 0, run.stderr
        assert products(copied)[name] != before[name]

    def test_is_read_back_by_verify(self, small: RawSet, copied: Path) -> None:
        before = products(copied)
        names = {file for files in FILES.values() for file in files}
        victims = [copied / name for name in (*names, "dbcollection/raw256.strict.h5")]
        victims.append(next((copied / "train256").glob("*/*")))
        victims.append(next(copied.glob("facts/train/*/facts.parquet")).resolve())
        for victim in victims:
            flip(victim)
        run = shardmill("verify", copied)
        assert run.returncode == 1
        assert all(str(victim) in run.stderr for victim in victims)
        assert f"{len(victims)} problems\n" in run.stdout
        run = shardmill("verify", copied, "--remove-damaged")
        assert not any(victim.exists() for victim in victims)
        assert all(word in run.stdout for word in ("--format none", *EVERY, *DATA))
        export(small, copied, *EVERY, *DATA, "--dbcollection-strict")
        assert products(copied) == before


class TestParquet:
    def test_says_of_each_image_what_the_tree_shows(self, raw_set: RawSet, out: Path) -> None:
        export(raw_set, out, "--export", "parquet", "--extract")
        rows = pq.read_table(out / "metadata.parquet").to_pylist()
        files = sorted(path for name in ("train", "val") for path in (out / name).glob("*/*"))
        assert sorted(row["file_name"] for row in rows) == [str(f.relative_to(out)) for f in files]
        for row in rows:
            content = (out / row["file_name"]).read_bytes()
            assert row["bytes"] == len(content)
            assert row["xxh3_128"] == xxhash.xxh3_128_hexdigest(content)
            assert row["wnid"] == row["file_name"].split("/")[1]
            with Image.open(out / row["file_name"]) as image:
                assert image.mode.partition(";")[0] == row["mode"].partition(";")[0]
        assert {row["mode"] for row in rows} > {"RGB"}

    def test_has_nothing_of_shards_that_were_not_made(self, made: Path) -> None:
        names = pq.read_schema(made / "metadata.parquet").names
        assert [name for name in names if name.endswith(("shard", "record"))] == []

    def test_is_the_same_of_a_tree(self, small: RawSet, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        prepared(small, one, *NONE, "--export", "parquet", "--export", "imagefolder", "--no-boxes")
        where = ("--tree", one, "--config", small.config, "--out", other)
        run = shardmill("imagenet", *where, *NONE, "--export", "parquet", "--no-boxes")
        assert run.returncode == 0, run.stderr
        assert "passed over in the tree: 1 name, e.g. train/metadata.parquet" in run.stdout
        assert products(other)["metadata.parquet"] == products(one)["metadata.parquet"]

    def test_has_rows_of_a_split_without_classes(self, sample: RawSet, out: Path) -> None:
        export(sample, out, "--export", "parquet", "--export", "dbcollection", "--with", "test")
        rows = pq.read_table(out / "metadata.parquet").to_pylist()
        test = [row for row in rows if row["split"] == "test"]
        assert len(test) == 8
        assert {row["wnid"] for row in test} == {None}
        assert not (out / "test").exists()
        with h5py.File(out / CLASSIFICATION) as file:
            assert set(file) == {"train", "val"}

    @pytest.mark.usefixtures("hurried")
    def test_is_made_of_facts_that_are_whole(self, small: RawSet, copied: Path) -> None:
        before = products(copied)
        flip(next(copied.glob("facts/train/*/facts.parquet")))
        (copied / "metadata.parquet").unlink()
        run = support.prepare(small, copied, *NONE, *EVERY, *DATA, "--dbcollection-strict")
        assert run.returncode == 0, run.stderr
        assert products(copied) == before


class TestCroissant:
    def document(self, out: Path) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((out / "croissant.json").read_bytes())
        return found

    def test_names_every_file_by_its_sha256(self, small: RawSet, out: Path) -> None:
        run = prepare(small, out, "--format", "recordio", "--joined", "--export", "croissant")
        assert run.returncode == 0, run.stderr
        described = {
            file["contentUrl"]: (file["sha256"], file["contentSize"])
            for file in self.document(out)["distribution"]
        }
        present = {
            name: (content, f"{(out / name).stat().st_size} B")
            for name, content in products(out).items()
            if not name.endswith(("/current", "/manifest.json")) and name != "croissant.json"
        }
        assert described == present

    def test_reads_no_shard_a_second_time(self, small: RawSet, out: Path) -> None:
        prepared(small, out, "--export", "croissant")
        before = (out / "croissant.json").read_bytes()
        flip(next(out.glob("tfrecord/train/*/train-*")))  # reading it would tell
        (out / "croissant.json").unlink()
        run = prepare(small, out, "--export", "croissant")
        assert run.returncode == 0, run.stderr
        assert (out / "croissant.json").read_bytes() == before

    def test_keeps_what_it_found_in_its_mark(self, made: Path) -> None:
        mark = manifest.load(paths.product_mark(made, "croissant"))
        for each in mark["sha256"]:
            content = (made / each["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == each["sha256"]

    def test_says_how_many_images_and_classes_there_are(self, made: Path) -> None:
        assert "18 images of 3 classes" in self.document(made)["description"]
        assert self.document(made)["conformsTo"] == croissant.CONFORMS_TO


class TestDbcollection:
    def test_paths_of_the_trees_that_are_made_exist(self, raw_set: RawSet, out: Path) -> None:
        export(raw_set, out, "--export", "dbcollection", "--export", "raw256")
        for file, suffix in ((CLASSIFICATION, ""), (RAW256, "256")):
            for name in ("train", "val"):
                found = texts(out / file, f"{name}/image_filenames")
                assert found == sorted(map(str, (out / f"{name}{suffix}").glob("*/*")))

    def test_paths_of_another_folder_are_not_looked_for(self, made: Path) -> None:
        found = texts(made / CLASSIFICATION, "train/image_filenames")
        kept = sorted((made / "train").glob("*/*"))
        assert found == [f"/data/ilsvrc2012/{path.relative_to(made)}" for path in kept]
        found = texts(made / RAW256, "val/image_filenames")
        kept = sorted((made / "val256").glob("*/*"))
        assert found == [f"/data/ilsvrc2012/{path.relative_to(made)}" for path in kept]
        strict = texts(made / "dbcollection/raw256.strict.h5", "val/image_filenames")
        assert all(path.startswith("/data/ilsvrc2012/val/") for path in strict)

    def test_a_folder_of_ones_own_without_the_images_is_refused(
        self, small: RawSet, tmp_path: Path, out: Path
    ) -> None:
        (tmp_path / "mine").mkdir()
        options = ("--export", "dbcollection", "--data-dir", tmp_path / "mine")
        run = prepare(small, out, *options)
        assert run.returncode == 2
        assert "its images are not in the data folder" in run.stderr
        assert not out.exists()

    def test_says_where_it_looks_for_images_and_what_it_does_not_know(
        self, small: RawSet, out: Path
    ) -> None:
        every = ("--export", "dbcollection", "--export", "raw256")
        run = prepare(small, out, "--format", "none", *every, *DATA)
        assert "classification: descriptions are empty" in run.stdout
        assert f"raw256: names images in {DATA[1]}, in train256 and val256" in run.stdout

    def test_with_a_folder_of_ones_own_nothing_is_extracted(self, small: RawSet, out: Path) -> None:
        export(small, out, "--export", "dbcollection", *DATA)
        assert exported(out) == {CLASSIFICATION}

    def test_a_flat_folder_is_found_and_strict_repeats_what_the_original_makes_of_it(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        data = tmp_path / "ilsvrc2012"
        (data / "train").mkdir(parents=True)
        with tarfile.open(small.raw / VALIDATION) as tar:
            tar.extractall(data / "ILSVRC2012_img_val", filter="data")
        options = ("--data-dir", data, "--dbcollection-strict")
        export(small, out, "--export", "dbcollection", *options)
        usable = texts(out / CLASSIFICATION, "val/image_filenames")
        assert sorted(usable) == sorted(map(str, (data / "ILSVRC2012_img_val").iterdir()))
        strict = texts(out / "dbcollection/classification.strict.h5", "val/image_filenames")
        assert strict == [str(data / Path(path).name) for path in usable]

    def test_glosses_are_those_of_the_devkit(self, mini: RawSet, out: Path) -> None:
        export(mini, out, "--export", "dbcollection", *DATA)
        assert set(texts(out / CLASSIFICATION, "train/descriptions")) == {""}
        words = texts(out / CLASSIFICATION, "train/labels")
        run = prepare(mini, out, *NONE, "--export", "dbcollection", *DATA, "--with", "devkit")
        assert run.returncode == 2, "its digest is another"
        export(mini, out, "--export", "dbcollection", *DATA, "--with", "devkit", "--replace")
        assert all(texts(out / CLASSIFICATION, "train/descriptions"))
        assert texts(out / CLASSIFICATION, "train/labels") == words

    def test_the_command_registers_both_tasks(self, made: Path, tmp_path: Path) -> None:
        run = shardmill("dbcollection-cache", made, "--home", tmp_path)
        assert run.returncode == 0, run.stderr
        cache = json.loads((tmp_path / "dbcollection.json").read_bytes())
        tasks = cache["dataset"]["ilsvrc2012"]["tasks"]
        assert {task: entry["filename"] for task, entry in tasks.items()} == {
            "classification": str(made / CLASSIFICATION),
            "raw256": str(made / RAW256),
        }

    @pytest.mark.parametrize("folder", ["/daten/bilder-ü", "/データ"])
    def test_a_folder_that_is_not_ascii_is_refused_at_once(
        self, small: RawSet, out: Path, folder: str
    ) -> None:
        run = prepare(small, out, *NONE, "--export", "dbcollection", "--data-dir", folder)
        assert run.returncode == 2
        assert folder in run.stderr
        assert "--data-dir" in run.stderr
        assert not out.exists()

    def test_an_output_that_is_not_ascii_is_refused_at_once(
        self, small: RawSet, tmp_path: Path
    ) -> None:
        run = prepare(small, tmp_path / "ausgabe-ü", *NONE, "--export", "dbcollection")
        assert run.returncode == 2
        assert "--data-dir" in run.stderr


class TestBadInput:
    def test_a_class_that_is_configured_and_absent_is_refused(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        lacking = small.copy(tmp_path / "raw")
        others = (lacking.raw / "synsets.tsv").read_text().splitlines()[1:]
        known = (lacking.raw / "counts.tsv").read_text()
        absent = next(line.split("\t")[0] for line in others if line.split("\t")[0] not in known)
        (lacking.raw / "counts.tsv").write_text(f"{known}{absent}\t4\n")
        run = prepare(lacking, out, *NONE, *EVERY)
        assert run.returncode == 3
        assert absent in run.stderr
        assert not (out / "dbcollection").exists()

    def test_a_missing_validation_image_is_refused(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        lacking = small.copy(tmp_path / "raw")
        archive = lacking.raw / VALIDATION
        with tarfile.open(small.raw / VALIDATION) as full, tarfile.open(archive, "w") as less:
            for member in full.getmembers()[1:]:
                less.addfile(member, full.extractfile(member))
        lacking.repin(VALIDATION)
        run = prepare(lacking, out, *NONE, "--export", "dbcollection", *DATA)
        assert run.returncode == 3
        assert VALIDATION in run.stderr
        assert not (out / "dbcollection").exists()

    def test_an_image_that_cannot_be_made_smaller_is_named(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        tree = tmp_path / "tree"
        prepared(small, tree, "--extract")
        victim = next((tree / "val").glob("*/*"))
        victim.write_bytes(victim.read_bytes()[:2000])  # its header stays readable
        where = ("--tree", tree, "--config", small.config, "--out", out, "--no-boxes")
        options = (*NONE, "--export", "raw256")
        run = shardmill("imagenet", *where, *options)
        assert run.returncode == 3
        assert str(victim) in run.stderr
        assert "no image of a tree can be left out" in run.stderr
        assert not (out / RAW256).exists()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--export", "parquet", "--until", "lists"), "--format none"),
            (("--data-dir", "/data"), "--data-dir"),
            (("--dbcollection-strict",), "--dbcollection-strict"),
            (("--export", "parquet", *DATA), "--data-dir"),
            (("--extract", "--on-bad-image", "skip"), "--until extract"),
            (("--export", "raw256", "--on-bad-image", "skip"), "--export raw256 needs"),
            (("--export", "imagefolder", "--on-bad-image", "skip"), "--export imagefolder needs"),
            (("--format", "none", "--format", "tfrecord"), "--format none"),
            (("--format", "none", "--resize", "64"), "stores no images"),
        ],
    )
    def test_options_without_a_meaning_are_refused(
        self, small: RawSet, out: Path, options: tuple[str, ...], said: str
    ) -> None:
        run = prepare(small, out, *options)
        assert run.returncode == 2
        assert said in run.stderr
        assert not out.exists()

    def test_a_split_in_the_place_of_anothers_smaller_images_is_refused(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        other = small.copy(tmp_path / "raw")
        text = other.config.read_text()
        other.config.write_text(text.replace('folder = "val"', 'folder = "train256"'))
        with pytest.raises(UsageError, match="smaller images of another"):
            resolve(other.job(out, exports=("raw256",)))

    def test_an_unknown_export_is_refused(self, small: RawSet, out: Path) -> None:
        with pytest.raises(UsageError, match="--export tiff: unknown"):
            resolve(small.job(out, exports=("tiff",)))


class TestNoShards:
    def test_facts_are_those_of_the_shards_of_images_that_stay_as_they_are(
        self, small: RawSet
    ) -> None:
        columns = ["key", "shard", "record", "width", "height", "mode", "bytes", "xxh3_128"]
        one, other = (
            pq.read_table(out / name / "train/current/facts.parquet", columns=columns)
            for out, name in (
                (kept(small).out, "tfrecord"),
                (kept(small, *NONE).out, "facts"),
            )
        )
        assert one.equals(other)

    def test_verify_compares_facts_with_their_sources(self, small: RawSet) -> None:
        run = shardmill("verify", kept(small, *NONE).out, "--against", small.raw)
        assert run.returncode == 0, run.stderr
        assert "12 compared with their sources" in run.stdout

    def test_verify_against_another_source_tells(
        self, small: RawSet, out: Path, tmp_path: Path
    ) -> None:
        prepared(small, out, *NONE)
        other = small.copy(tmp_path / "raw")
        flip(other.raw / "ILSVRC2012_img_train.tar")
        run = shardmill("verify", out, "--against", other.raw)
        assert run.returncode == 1
        assert "its source is not what it was when its archive was verified" in run.stderr
        assert next(out.glob("facts/train/*/facts.parquet")).exists()

    def test_a_lost_part_of_the_facts_is_made_again(self, small: RawSet, out: Path) -> None:
        prepared(small, out, *NONE)
        before = products(out)
        next(out.glob("facts/train/*/facts.parquet")).unlink()
        next(out.glob(".shardmill/shards/*/00000.facts.arrow")).unlink()
        assert shardmill("status", out).returncode == 1
        export(small, out)
        assert products(out) == before
        assert shardmill("clean", out, "--yes").returncode == 0

    def test_room_is_asked_for_smaller_images_and_not_for_facts(
        self, small: RawSet, out: Path
    ) -> None:
        needed = {
            exports: preflight.needed_bytes(
                resolve(small.job(out, formats=("facts",), exports=exports))
            )
            for exports in ((), ("parquet",), ("raw256",))
        }
        assert needed[()] == needed["parquet",] == 0
        assert 18 * 10_000 < needed["raw256",] < 18 * 50_000

    def test_the_command_is_told_again(self, small: RawSet, out: Path) -> None:
        job = small.job(
            out, formats=("facts",), exports=("dbcollection", "parquet"), data_dir="/data"
        )
        assert Job.from_json(job.to_json()) == job
        command = command_line(job)
        line = command.offer if command else ""
        options = "--format none --export dbcollection --export parquet --data-dir /data"
        assert options in line
        assert "--extract" not in line
