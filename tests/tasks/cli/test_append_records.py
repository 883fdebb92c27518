"""``--append``: what is remembered of an append, and what is told of it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from appending import FIRST, Appended
from commands import shardmill
from drawnlists import encoded, lay


@pytest.fixture
def appended(tmp_path: Path) -> Appended:
    return Appended(tmp_path, "tfrecord")


def records(appended: Appended) -> list[Path]:
    return sorted((appended.out / ".shardmill" / "generations").iterdir())


def test_what_is_remembered_of_appends_goes_when_no_output_needs_it(appended: Appended) -> None:
    for name in ("new/1.jpg", "newer/1.jpg"):
        appended.add(name)
        appended.run()
    first, second = sorted(records(appended), key=lambda path: path.stat().st_mtime_ns)
    first.write_text("damaged")
    assert shardmill("verify", appended.out).returncode == 1  # the output of it is there
    said = shardmill("clean", appended.out, "--dry-run").stdout
    assert f"remembered of an append, and needed by no output: {first}" in said
    assert records(appended) == sorted([first, second])
    assert shardmill("clean", appended.out, "--yes").returncode == 0
    assert records(appended) == [second]
    assert "already complete, 14 records" in appended.run()
    appended.add("newest/1.jpg")
    assert "5 shards kept, 0 written again, 1 new" in appended.run()
    appended.verify()


def test_what_is_remembered_of_an_append_that_is_planned_stays(appended: Appended) -> None:
    appended.add("new/1.jpg")
    appended.run("--until", "plan")
    (record,) = records(appended)
    assert "needed by no output" not in shardmill("clean", appended.out, "--yes").stdout
    assert records(appended) == [record]


def test_a_damaged_record_that_nothing_needs_is_no_damage(appended: Appended) -> None:
    folder = appended.out / ".shardmill" / "generations"
    lay(folder / "images-0123456789ab.json", b"damaged")
    assert shardmill("verify", appended.out).returncode == 0
    assert "images-0123456789ab" in shardmill("clean", appended.out, "--yes").stdout
    assert records(appended) == []


@pytest.mark.parametrize("remedy", ["--remove-damaged", "remove the file"])
def test_a_damaged_record_that_is_needed_is_found_and_made_again(
    appended: Appended, remedy: str
) -> None:
    appended.add("new/1.jpg")
    appended.run()
    (record,) = records(appended)
    content = record.read_bytes()
    record.write_bytes(content[:-9])
    found = shardmill("verify", appended.out)
    assert found.returncode == 1
    assert f"{remedy}" in found.stdout + found.stderr
    if remedy == "--remove-damaged":
        shardmill("verify", appended.out, remedy, "--yes")
    else:
        record.unlink()
    assert "already complete" in appended.run()
    assert record.read_bytes() == content
    appended.verify()


def test_a_program_is_told_what_became_of_shards_and_images(appended: Appended) -> None:
    where = appended.facts()
    changed, gone = (next(key for key in where if where[key] == name) for name in FIRST[:2])
    lay(appended.drawn.root / changed, encoded(77))
    appended.drop(gone)
    appended.add("new/1.jpg", "new/2.jpg")
    metrics = appended.out.parent / "metrics.prom"
    events = [
        json.loads(line) for line in appended.run("--json", "--metrics-file", metrics).splitlines()
    ]
    (told,) = [event for event in events if event["event"] == "appended"]
    counts = {name: told[name] for name in told if name.startswith(("shards_", "images_"))}
    assert counts == {
        "shards_kept": 1,
        "shards_rewritten": 2,
        "shards_new": 1,
        "images_new": 2,
        "images_changed": 1,
        "images_gone": 1,
    }
    labels = '{split="images",format="tfrecord"}'
    lines = metrics.read_text().splitlines()
    assert {f"shardmill_{name}{labels} {value}" for name, value in counts.items()} <= set(lines)


def test_images_that_are_replaced_in_the_output_that_is_there_are_counted(
    appended: Appended,
) -> None:
    appended.add("new/1.jpg")
    appended.run()
    image = appended.drawn.root / "cats/8.jpg"
    lay(image, encoded(1).ljust(image.stat().st_size, b"\0"))
    events = [json.loads(line) for line in appended.run("--json").splitlines()]
    (told,) = [event for event in events if event["event"] == "appended"]
    assert (told["images_changed"], told["shards_rewritten"], told["shards_kept"]) == (1, 1, 3)


def test_where_there_are_no_hard_links_shards_are_not_said_to_be_kept(
    appended: Appended, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended.add("new/1.jpg")
    before = appended.shards()

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refused)
    assert "0 shards kept, 3 written again, 1 new" in appended.run()
    assert before.items().isdisjoint(appended.shards().items())
    appended.verify()
