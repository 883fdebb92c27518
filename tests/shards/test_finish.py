"""Finishing an output: shard manifests become one manifest, their facts one table."""

from __future__ import annotations

from pathlib import Path

import pytest
from indexing import verify_and_index
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.catalog import plan
from pipeline.catalog import table as catalog
from pipeline.catalog.shard_name import ShardName
from pipeline.errors import OutputDamaged
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.split import SplitJob
from pipeline.manifest import FileEntry
from pipeline.shards import facts
from pipeline.shards import finish as outputs
from pipeline.shards import write as shards
from pipeline.shards.output import Output


def write_shards(resolved: ResolvedJob, split: SplitJob, output: Output) -> None:
    """Do what the tasks do before an output is finished."""
    (archive,) = split.source.inputs
    source = resolved.raw_file(archive)
    out = storage.on_this_machine(resolved.out)
    index, planned = paths.archive_index(out, archive.file), out / "plan"
    verify_and_index(source, index, expected_md5=archive.md5, nested=True)
    parts = split.source.rows(resolved.out, None)
    with storage.StagedFile(resolved.out / "catalog") as staged:
        rows, _ = catalog.write(staged, parts)
        storage.publish(staged)
    order, seed = resolved.job.order, resolved.job.seed or 0
    with storage.StagedFile(planned) as staged:
        ordered = plan.arrange(resolved.out / "catalog", rows, order, seed, planned)
        plan.write(staged, ordered, split.boundaries())
        storage.publish(staged)
    for shard in range(split.shards):
        name = ShardName(split.name, shard, split.shards)
        batch = plan.read_shard(planned, shard)
        on_bad = resolved.job.on_bad_image
        shards.write_shard(resolved.out, name, batch, source.parent, [output], on_bad_image=on_bad)


def written(raw_set: RawSet, out: Path, **options: object) -> tuple[ResolvedJob, SplitJob, Output]:
    resolved = resolve(raw_set.job(out, **options))
    split = resolved.splits["train"]
    (output,) = split.outputs
    write_shards(resolved, split, output)
    return resolved, split, output


def test_the_manifest_says_what_was_made_of_what(sample: RawSet, out: Path) -> None:
    resolved, split, output = written(sample, out, seed=3)
    found = outputs.finish(resolved, split, output)
    archive = resolved.dataset.archives["train"]
    assert {name: found[name] for name in ("program", "dataset", "split", "format")} == {
        "program": "shardmill",
        "dataset": "ilsvrc2012-sample",
        "split": "train",
        "format": "tfrecord",
    }
    boxes = resolved.dataset.archives["boxes"]
    assert found["inputs"] == [{"file": a.file, "md5": a.md5} for a in (archive, boxes)]
    assert found["digests"] == {
        "catalog": split.catalog_digest,
        "plan": split.plan_digest,
        "shards": split.shards_digest,
        "output": output.digest,
    }
    assert found["parameters"] == {
        "box_class_filter": False,
        "classes": None,
        "codec": None,
        "label_offset": 1,
        "labels": "class",
        "order": "hash",
        "picture": {},
        "repairs": True,
        "seed": 3,
        "shards": 8,
        "skip_blacklisted": False,
        "suffix": ".JPEG",
    }
    counts = found["counts"]
    assert (counts["images"], counts["records"], counts["left_out"]) == (96, 96, 0)
    assert counts["repaired"] == len(found["repairs"]) == 2
    assert {mended["reason"] for mended in found["repairs"]} == {"png", "cmyk"}


def test_the_manifest_names_every_file_and_is_complete(small: RawSet, out: Path) -> None:
    resolved, split, output = written(small, out)
    assert outputs.document(output) is None
    found = outputs.finish(resolved, split, output)
    assert outputs.document(output) is not None
    whole = manifest.load(paths.manifest(output.folder))
    assert {name: whole[name] for name in found} == found
    folder = storage.on_this_machine(output.folder)
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    entries = [FileEntry(**entry) for entry in found["files"]]
    assert {entry.file for entry in entries} == present - {"manifest.json"}
    for entry in entries:
        assert (folder / entry.file).stat().st_size == entry.bytes
        assert manifest.hash_file(folder / entry.file) == entry.xxh3_128
    assert found["counts"]["bytes"] == sum(entry.bytes for entry in entries)
    names = [ShardName("train", shard, split.shards).stem for shard in range(split.shards)]
    assert [shard["file"] for shard in found["shards"]] == names
    assert [shard["records"] for shard in found["shards"]] == split.shard_sizes()
    assert [shard["bytes"] for shard in found["shards"]] == [
        (folder / name).stat().st_size for name in names
    ]


def test_the_facts_of_all_shards_become_one_table(small: RawSet, out: Path) -> None:
    resolved, split, output = written(small, out)
    parts = [
        facts.read_slice(paths.shard_facts(out, output.digest, shard), 1000).to_pylist()
        for shard in range(split.shards)
    ]
    outputs.finish(resolved, split, output)
    merged = paths.facts(output.folder)
    assert facts.read(merged).to_pylist() == [row for part in parts for row in part]
    for shard, part in enumerate(parts):
        assert facts.read_shard(merged, shard, 1000).to_pylist() == part


def test_the_same_job_gives_the_same_bytes_anywhere(small: RawSet, tmp_path: Path) -> None:
    contents = []
    for raw_set, out in (
        (small, tmp_path / "one"),
        (small.copy(tmp_path / "raw"), tmp_path / "deep" / "er" / "two"),
    ):
        resolved, split, output = written(raw_set, out)
        for _ in range(2):
            outputs.finish(resolved, split, output)
        made = (paths.manifest(output.folder), paths.facts(output.folder))
        contents.append([storage.on_this_machine(path).read_bytes() for path in made])
        assert str(tmp_path).encode() not in contents[-1][0]
    assert contents[0] == contents[1]


def test_a_manifest_that_says_nothing_of_left_out_images_is_complete(
    small: RawSet, out: Path
) -> None:
    resolved, split, output = written(small, out)
    found = outputs.finish(resolved, split, output)
    older = {name: value for name, value in found.items() if name != "left_out"}
    paths.manifest(storage.on_this_machine(output.folder)).write_bytes(manifest.serialise(older))
    whole = outputs.document(output)
    assert whole is not None
    assert whole.left_out == ()


def test_an_order_by_name_has_no_seed(small: RawSet, out: Path) -> None:
    found = outputs.finish(*written(small, out, order="name", seed=5))
    assert found["parameters"]["order"] == "name"
    assert "seed" not in found["parameters"]


def test_images_left_out_are_counted_and_named(small: RawSet, tmp_path: Path, out: Path) -> None:
    broken = small.copy(tmp_path / "raw")
    archive = broken.raw / "ILSVRC2012_img_train.tar"
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"\xff\xd8\xff", b"\0\0\0", 1))
    broken.repin(archive.name)
    found = outputs.finish(*written(broken, out, on_bad_image="skip"))
    assert (found["counts"]["records"], found["counts"]["left_out"]) == (11, 1)
    assert found["left_out"][0]["offset"] == content.index(b"\xff\xd8\xff")


@pytest.mark.parametrize("damage", ["mark", "shard", "index", "facts"])
def test_a_shard_that_is_gone_meanwhile_stops_it(small: RawSet, out: Path, damage: str) -> None:
    resolved, split, output = written(small, out)
    name = ShardName("train", 1, split.shards)
    mark = paths.shard_mark(out, output.digest, 1)
    {
        "mark": mark,
        "shard": storage.on_this_machine(output.files(name)[0]),
        "index": storage.on_this_machine(output.files(name)[1]),
        "facts": paths.shard_facts(out, output.digest, 1),
    }[damage].unlink()
    with pytest.raises(OutputDamaged) as refusal:
        outputs.finish(resolved, split, output)
    assert refusal.value.file == str(mark)
    assert storage.stat(paths.manifest(output.folder)) is None
    assert storage.stat(paths.facts(output.folder)) is None
