"""``--append``: shards that are there stay, and new images get shards of their own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from appending import FIRST, Appended
from commands import shardmill
from drawnlists import current, draw_list, encoded, lay, manifest_of, stored
from stubcluster import stand_in

from pipeline import manifest, paths
from pipeline.formats.registry import FORMATS
from pipeline.job.resolve import resolve
from pipeline.shards import work
from pipeline.state import status


@pytest.fixture
def appended(tmp_path: Path) -> Appended:
    return Appended(tmp_path, "tfrecord")


def test_new_images_get_shards_of_their_own_and_the_others_stay(appended: Appended) -> None:
    assert "nothing is there to append to: all images are written" in appended.first
    before, where = appended.shards(), appended.facts()
    assert list(before) == FIRST
    appended.add("new/1.jpg", "new/2.jpg", "new/3.jpg", "new/4.jpg", "new/5.jpg")
    said = appended.run()
    assert "5 images new, 0 images gone" in said
    assert "images: tfrecord: 3 shards kept, 0 written again, 1 new" in said
    after = appended.shards()
    assert list(after) == [*FIRST, "images-a01-00000-of-00001"]
    assert before.items() <= after.items()
    assert where.items() <= appended.facts().items()
    appended.add("newer/1.jpg")
    assert "4 shards kept, 0 written again, 1 new" in appended.run()
    assert list(appended.shards()) == [*after, "images-a02-00000-of-00001"]
    assert after.items() <= appended.shards().items()
    assert appended.facts().keys() == set(appended.drawn.names)
    appended.verify()
    named = manifest_of(appended.out, "tfrecord")["generations"]
    assert [each["shards"] for each in named] == [3, 1, 1]
    assert shardmill("clean", appended.out, "--yes").returncode == 0
    assert "already complete, 18 records in 5 shards" in appended.run()
    assert "complete, 18 records" in shardmill("status", appended.out).stdout


def test_a_shard_of_which_an_image_changed_or_is_gone_is_written_again(appended: Appended) -> None:
    where, before = appended.facts(), appended.shards()
    changed, gone = (next(key for key in where if where[key] == name) for name in FIRST[:2])
    lay(appended.drawn.root / changed, encoded(77))
    appended.drop(gone)
    foreseen = appended.run("--dry-run")
    assert "1 shard would be kept, 2 written again, 0 new" in foreseen
    assert [f"written again: {name}" in foreseen for name in FIRST] == [True, True, False]
    assert "1 shard kept, 2 written again, 0 new" in appended.run()
    after = appended.shards()
    assert [before[name] == after[name] for name in FIRST] == [False, False, True]
    assert appended.facts() == {key: name for key, name in where.items() if key != gone}
    appended.verify()


def test_the_dry_run_names_new_shards(appended: Appended) -> None:
    appended.add(*(f"new/{number}.jpg" for number in range(9)))
    said = appended.run("--dry-run")
    assert "3 shards would be kept, 0 written again, 2 new" in said
    assert "new: images-a01-00000-of-00002 to images-a01-00001-of-00002" in said
    assert list(appended.shards()) == FIRST


def test_nothing_new_is_nothing_to_do(appended: Appended) -> None:
    folder, before = current(appended.out, "tfrecord"), appended.shards()
    assert "already complete, 12 records in 3 shards" in appended.run()
    assert (current(appended.out, "tfrecord"), appended.shards()) == (folder, before)
    assert "already complete" in appended.run(append=False)


def test_an_image_of_the_same_size_is_replaced_in_the_output_that_is_there(
    appended: Appended,
) -> None:
    appended.add("new/1.jpg")
    appended.run()
    folder, before, where = current(appended.out, "tfrecord"), appended.shards(), appended.facts()
    image = appended.drawn.root / "cats/8.jpg"
    lay(image, encoded(1).ljust(image.stat().st_size, b"\0"))
    said = appended.run()
    assert "complete, 13 records" in said
    assert "nothing is new since the last append" in said
    assert "3 shards kept, 1 written again, 0 new" in said
    after = appended.shards()
    assert current(appended.out, "tfrecord") == folder
    assert [name for name in before if before[name] != after[name]] == [where["cats/8.jpg"]]
    appended.verify()


def test_an_appended_output_without_a_manifest_is_finished_again(appended: Appended) -> None:
    appended.add("new/1.jpg")
    appended.run()
    folder = current(appended.out, "tfrecord")
    paths.manifest(folder).unlink()  # as a command that was killed leaves one that is withdrawn
    assert "complete, 13 records in 4 shards" in appended.run()
    assert current(appended.out, "tfrecord") == folder
    appended.verify()


def test_without_append_it_is_another_output_and_that_is_said_before(appended: Appended) -> None:
    appended.add("new/1.jpg")
    appended.run()
    chain = current(appended.out, "tfrecord")
    said = appended.run(append=False)
    assert "tfrecord: the current output has 2 generations of shards; without --append" in said
    assert said.index("without --append") < said.index("complete, 13 records")
    assert list(appended.shards()) == FIRST
    assert current(appended.out, "tfrecord") != chain
    assert "already complete, 13 records in 3 shards" in appended.run()  # nothing is new to it
    appended.verify()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--seed", 4), "--seed was 0, is 4"),
        (("--order", "list"), "--order was hash, is list"),
        (("--shards", 4), "--shards was 3, is 4"),
        (("--resize", 16), "--resize was not given, is 16"),
    ],
)
def test_other_options_are_refused_and_named(
    appended: Appended, options: tuple[object, ...], named: str
) -> None:
    appended.add("new/1.jpg")
    before = appended.shards()
    said = appended.run(*options, code=2)
    assert named in said
    assert "leave out --append" in said
    assert appended.shards() == before


def test_what_was_appended_and_is_gone_the_next_day_leaves_no_shard(appended: Appended) -> None:
    before = appended.shards()
    appended.add("new/1.jpg")
    appended.run()
    appended.drop("new/1.jpg")
    said = appended.run()
    assert "1 shard left without an image" in said
    assert "3 shards kept, 0 written again, 0 new" in said
    assert appended.shards() == before
    appended.verify()
    appended.add("newer/2.jpg")
    assert "3 shards kept, 0 written again, 1 new" in appended.run()
    assert list(appended.shards()) == [*FIRST, "images-a03-00000-of-00001"]
    assert "already complete, 13 records in 4 shards" in appended.run()
    appended.verify()


def test_shards_keep_their_bytes_where_one_between_them_is_left_without_an_image(
    appended: Appended,
) -> None:
    where, before = appended.facts(), appended.shards()
    for key in (key for key, shard in where.items() if shard == FIRST[1]):
        appended.drop(key)
    appended.add("new/1.jpg")
    assert "2 shards would be kept, 0 written again, 1 new" in appended.run("--dry-run")
    assert "2 shards kept, 0 written again, 1 new" in appended.run()
    assert appended.shards() == {
        "images-00000-of-00002": before[FIRST[0]],
        "images-00001-of-00002": before[FIRST[2]],
        "images-a01-00000-of-00001": appended.shards()["images-a01-00000-of-00001"],
    }
    assert "already complete" in appended.run()
    assert shardmill("clean", appended.out, "--yes").returncode == 0
    appended.add("newer/1.jpg")
    assert "3 shards kept, 0 written again, 1 new" in appended.run()
    appended.verify()


def test_what_is_not_finished_is_not_appended_to(appended: Appended) -> None:
    paths.manifest(current(appended.out, "tfrecord")).unlink()
    appended.add("new/1.jpg")
    said = appended.run(code=2)
    assert "is not finished, so nothing can be appended" in said
    assert "run the command that was making it to its end" in said
    appended.drop("new/1.jpg")
    assert "complete, 12 records" in appended.run()
    appended.add("newer/1.jpg")
    assert "3 shards kept, 0 written again, 1 new" in appended.run()


def test_ids_and_labels_of_images_in_class_folders_stay(tmp_path: Path) -> None:
    root, out = tmp_path / "photos", tmp_path / "out"
    words = ("imagelist", root, "--recursive", "--out", out, "--format", "recordio", "--append")
    for number, name in enumerate(("b/1.jpg", "b/2.jpg", "c/1.jpg", "c/2.jpg")):
        lay(root / name, encoded(number))
    assert shardmill(*words, "--shards", 2).returncode == 0
    before = {image: said for said, image in stored(out, "recordio", "photos")}
    for number, name in enumerate(("b/0.jpg", "b/3.jpg", "d/1.jpg"), start=4):
        lay(root / name, encoded(number))
    run = shardmill(*words)
    assert run.returncode == 0, run.stderr
    after = {image: said for said, image in stored(out, "recordio", "photos")}
    assert before.items() <= after.items()
    assert {said["id"] for said in after.values()} == set(range(7))
    lay(root / "a" / "1.jpg", encoded(9))
    moved = shardmill(*words)
    assert moved.returncode == 2
    assert "'b' as class 0" in moved.stderr
    classes = lay(tmp_path / "classes.txt", b"b\nc\nd\na\n")
    run = shardmill(*words, "--classes", classes)
    assert run.returncode == 0, run.stderr
    last = {image: said for said, image in stored(out, "recordio", "photos")}
    assert after.items() <= last.items()
    assert shardmill("verify", out, "--against", root).returncode == 0


def test_numbers_that_become_texts_with_other_indexes_are_refused(tmp_path: Path) -> None:
    root, listed, out = tmp_path / "photos", tmp_path / "animals.csv", tmp_path / "out"
    words = ("imagelist", listed, "--root", root, "--out", out, "--shards", 1, "--append")
    for number in range(4):
        lay(root / f"{number}.jpg", encoded(number))
    listed.write_text("path,label\n0.jpg,1\n1.jpg,0\n")
    assert shardmill(*words).returncode == 0
    listed.write_text("path,label\n0.jpg,ant\n1.jpg,bee\n2.jpg,ant\n")
    run = shardmill(*words)
    assert run.returncode == 2
    assert "labels were numbers" in run.stderr
    assert "0.jpg" in run.stderr
    assert "expected: class 1" in run.stderr
    listed.write_text("path,label\n0.jpg,bee\n1.jpg,ant\n2.jpg,ant\n")
    assert shardmill(*words).returncode == 0


def test_files_of_the_whole_output_are_made_anew(tmp_path: Path) -> None:
    drawn, out = draw_list(tmp_path / "drawn", images=6), tmp_path / "out"
    words = ("--format", "recordio", "--joined", "--export", "parquet", "--shards", 2, "--append")
    assert drawn.prepare_here(out, *words).returncode == 0
    lay(drawn.root / "new.jpg", encoded(70))
    drawn.add("500\t3.000000\tnew.jpg")
    without_shards = [word for word in words if word not in {"--shards", 2}]
    run = drawn.prepare_here(out, *without_shards)
    assert run.returncode == 0, run.stderr
    joined = FORMATS["recordio"].read(current(out, "recordio") / "images.rec")
    assert len(list(joined)) == 7
    assert shardmill("verify", out, "--against", drawn.root).returncode == 0


def test_a_plan_that_is_gone_is_named(appended: Appended) -> None:
    for plan in (appended.out / ".shardmill" / "plans").iterdir():
        plan.unlink()
    appended.add("new/1.jpg")
    said = appended.run(code=1)
    assert "the plan of the shards that are appended to cannot be read" in said
    assert "leave out --append" in said
    assert "complete, 13 records" in appended.run(append=False)
    appended.add("newer/1.jpg")
    assert "3 shards kept, 0 written again, 1 new" in appended.run()
    appended.verify()


def test_parts_write_what_is_appended(appended: Appended) -> None:
    appended.add(*(f"new/{number}.jpg" for number in range(8)))
    assert "planned: 20 images in 5 shards" in appended.run("--until", "plan")
    said = appended.run("--part", "0/2")
    assert "3 of its 3 shards written; missing of all: 0 of 5" in said  # it takes others over
    assert "already complete, 20 records in 5 shards" in appended.run()
    appended.verify()


def test_a_cluster_writes_what_is_appended(
    appended: Appended, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = stand_in(monkeypatch)
    appended.add("new/1.jpg")
    said = appended.run("--cluster", "dask://sched:8786")
    assert [shard for _, shard in cluster.shards] == [0, 1, 2, 3]
    assert "3 shards kept, 0 written again, 1 new" in said


def test_what_is_appended_to_does_not_change_when_the_append_is_finished(
    appended: Appended,
) -> None:
    appended.add("new/1.jpg")
    (job,) = (replace(job, append=True) for job in status.recorded_jobs(appended.out)[-1:])
    resolved = resolve.reading(job)
    told = work.request(resolved)
    assert len(work.works(told)["images"].missing()) == 4
    appended.run()
    resolve.cache_clear()
    work.works.cache_clear()
    assert work.works(told)["images"].missing() == []
    assert resolve(job).digest == resolved.digest


def test_the_images_without_append_are_the_same_set_of_records(appended: Appended) -> None:
    appended.add("new/1.jpg", "new/2.jpg")
    appended.run()
    records = Counter(image for _, image in stored(appended.out, "tfrecord"))
    appended.run(append=False)
    assert Counter(image for _, image in stored(appended.out, "tfrecord")) == records


def test_a_format_that_was_made_at_once_does_not_undo_an_append(appended: Appended) -> None:
    appended.add("new/1.jpg")
    appended.run()
    before = appended.shards()
    appended.form = "recordio"
    appended.run()
    appended.form = "tfrecord,recordio"
    assert "without --append" not in appended.run()
    appended.form = "tfrecord"
    assert appended.shards() == before
    appended.verify()


def test_a_format_that_missed_an_append_is_counted_by_what_it_had(appended: Appended) -> None:
    appended.form = "tfrecord,recordio"
    appended.run()
    appended.add("new/1.jpg")
    appended.form = "recordio"
    appended.run()
    appended.add("newer/1.jpg")
    appended.form = "tfrecord,recordio"
    foreseen, said = appended.run("--dry-run"), appended.run()
    for form, kept, new in (("tfrecord", 3, 2), ("recordio", 4, 1)):
        assert f"{form}: {kept} shards would be kept, 0 written again, {new} new" in foreseen
        assert f"{form}: {kept} shards kept, 0 written again, {new} new" in said


def test_status_says_what_the_next_append_would_make(appended: Appended) -> None:
    appended.add("new/1.jpg")
    appended.run()
    assert "complete, 13 records" in shardmill("status", appended.out).stdout
    appended.add("newer/1.jpg")
    said = shardmill("status", appended.out).stdout
    appended.run()
    assert f"{current(appended.out, 'tfrecord').resolve().name}): 0 of 5 shards" in said


def test_archives_have_no_append() -> None:
    run = shardmill("imagenet", "--raw", "raw", "--out", "out", "--append")
    assert run.returncode == 2
    assert "--append" in run.stderr


def test_facts_alone_have_no_shards_to_keep(tmp_path: Path) -> None:
    appended = Appended(tmp_path, "none")
    appended.add("new/1.jpg", "new/2.jpg")
    appended.drop(appended.drawn.names[0])
    said = appended.run("--dry-run"), appended.run()
    for each in said:
        assert "images: facts: 2 images new, 1 image gone; facts lie in no shards" in each
        assert "0 written again" not in each


def test_an_image_whose_path_is_listed_again_stays_where_it_is(tmp_path: Path) -> None:
    appended = Appended(tmp_path, "recordio")
    where, before = appended.facts(), [said for said, _ in stored(appended.out, "recordio")]
    name = appended.drawn.names[2]
    appended.drawn.add(f"5000\t6.000000\t{name}")
    appended.add("new/1.jpg")
    said = appended.run()
    assert "2 images new, 0 images gone" in said
    assert "2 shards kept, 1 written again, 1 new" in said
    after = appended.facts()
    (renamed,) = (key for key in after if key.startswith(f"{name}#") and key != f"{name}#5000")
    assert after[renamed] == where[name]
    assert after[f"{name}#5000"] == "images-a01-00000-of-00001.rec"
    assert before == [said for said, _ in stored(appended.out, "recordio")][: len(before)]
    appended.verify()
    assert "already complete" in appended.run()
    appended.run(append=False)
    assert appended.facts().keys() == after.keys()


def test_an_output_that_was_moved_to_another_disk_is_appended_to(appended: Appended) -> None:
    folder = current(appended.out, "tfrecord").resolve()
    elsewhere = appended.out.parent / "disk"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    appended.add("new/1.jpg")
    assert "1 new" in appended.run()
    assert appended.facts().keys() == set(appended.drawn.names)
    appended.verify()


def test_verify_proves_that_each_image_of_an_appended_output_is_there_once(
    appended: Appended,
) -> None:
    appended.add("new/1.jpg")
    appended.run()
    appended.verify()
    place = paths.manifest(current(appended.out, "tfrecord"))
    document = manifest_of(appended.out, "tfrecord")
    lost = document["shards"].pop()
    document["files"] = [each for each in document["files"] if each["file"] != lost["file"]]
    document["counts"]["records"] -= lost["records"]
    document["counts"]["bytes"] -= lost["bytes"]
    document["generations"][-1]["shards"] = 0
    place.write_bytes(manifest.serialise(document))
    run = shardmill("verify", appended.out)
    assert run.returncode == 1
    assert "not every image exactly once" in run.stdout + run.stderr
