"""Lists and folders as people have them: odd ones, bad lines, and images that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import shardmill
from drawnlists import (
    ALL_FORMATS,
    ListedSet,
    current,
    draw_list,
    encoded,
    lay,
    manifest_of,
    shards,
    stored,
)
from optionwords import by_click

from pipeline.errors import InputRefused
from pipeline.formats.registry import FORMATS
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.job.table.option import LIST
from pipeline.sources.imagelist import folder as listing


@pytest.fixture
def drawn(tmp_path: Path) -> ListedSet:
    return draw_list(tmp_path / "drawn")


def test_a_list_of_every_odd_form_is_read(tmp_path: Path, out: Path) -> None:
    elsewhere = lay(tmp_path / "else where/x.jpg", encoded(9))
    listed = ListedSet(tmp_path / "root", tmp_path / "odd list.lst")
    for name in ("a.jpg", "b c.jpg", "Größe/ü.jpg"):
        lay(listed.root / name, encoded())
    lines = ["7 1 a.jpg", "8\t2\tb c.jpg", "", "9\t0.5\tGröße/ü.jpg", f"10\t4\t{elsewhere}"]
    lines += ["18446744073709551615\t5\ta.jpg"]
    listed.path.write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
    run = listed.prepare_here(out, "--format", "recordio", "--order", "list")
    assert run.returncode == 0, run.stderr
    assert [(said["id"], said["labels"]) for said, _ in stored(out, "recordio", "odd_list")] == [
        (7, (1.0,)),
        (8, (2.0,)),
        (9, (0.5,)),
        (10, (4.0,)),
        (2**64 - 1, (5.0,)),
    ]
    (shard,) = shards(current(out, "recordio", "odd_list"), "odd_list")
    paths = [line.rpartition("\t")[2] for line in shard.with_suffix(".lst").read_text().split("\n")]
    assert paths == ["a.jpg", "b c.jpg", "Größe/ü.jpg", str(elsewhere), "a.jpg", ""]
    verified = shardmill("verify", out, "--against", listed.root)
    assert verified.returncode == 0, verified.stderr


def test_a_folder_of_classes_is_listed_as_im2rec_does(tmp_path: Path, out: Path) -> None:
    for number, name in enumerate(("b/1.jpg", "a/2.jpg", "a/3.png", "a/4.txt")):
        lay(tmp_path / "images" / name, encoded(number, form="PNG" if "png" in name else "JPEG"))
    folder = tmp_path / "images"
    lay(folder / ".ipynb_checkpoints/1-checkpoint.jpg", encoded(4))
    run = shardmill("imagelist", folder, "--recursive", "--out", out, "--format", "recordio")
    assert run.returncode == 0, run.stderr
    assert "passed over in the folder: 1 hidden or system name, e.g. .ipynb_check" in run.stdout
    passed = manifest_of(out, "recordio")["passed_over"]
    assert passed == {"count": 1, "examples": [".ipynb_checkpoints"]}
    found = {said["id"]: said["labels"] for said, _ in stored(out, "recordio")}
    assert found == {0: (0.0,), 1: (0.0,), 2: (1.0,)}


def test_a_folder_in_the_order_of_im2rec_has_the_list_that_im2rec_makes(
    drawn: ListedSet, out: Path
) -> None:
    options = ("--recursive", "--order", "im2rec", "--format", "recordio", "--shards", 3)
    run = shardmill("imagelist", drawn.root, "--out", out, *options, "--joined")
    assert run.returncode == 0, run.stderr
    images = listing.scan(drawn.root, recursive=True)
    (rows,) = listing.divide(len(images.paths), listing.Division()).values()
    expected = b"".join(listing.list_pieces(images, rows))
    assert (current(out, "recordio", "root") / "root.lst").read_bytes() == expected


class TestBadImages:
    @pytest.fixture
    def spoiled(self, drawn: ListedSet) -> ListedSet:
        lay(drawn.root / "page.jpg", b"<html>Please log in</html>")
        lay(drawn.root / "a.gif", encoded(form="GIF"))
        names = ("gone.jpg", "page.jpg", "cats", "a.gif")
        drawn.add(*(f"{100 + at}\t1\t{name}" for at, name in enumerate(names)))
        return drawn

    def test_fail_by_line_then_are_left_out_on_request(self, spoiled: ListedSet, out: Path) -> None:
        run = spoiled.prepare_here(out, *ALL_FORMATS)
        assert run.returncode == 3
        for line, name in ((25, "gone.jpg"), (26, "page.jpg"), (27, "cats"), (28, "a.gif")):
            assert f"line {line}: {name}: " in run.stderr
        assert [path for path in out.rglob("*") if path.suffix in {".rec", ".tar"}] == []
        run = spoiled.prepare_here(out, *ALL_FORMATS, "--on-bad-image", "skip")
        assert run.returncode == 4
        assert run.stdout.count("4 left out") == len(FORMATS)
        for name in FORMATS:
            left_out = {
                image["line"]: image["reason"] for image in manifest_of(out, name)["left_out"]
            }
            assert left_out.keys() == {25, 26, 27, 28}
            assert left_out[25] == "there is no such file"
            assert "HTML page" in left_out[26]
        assert spoiled.prepare_here(out, *ALL_FORMATS, "--on-bad-image", "skip").returncode == 4
        verified = shardmill("verify", out, "--against", spoiled.root)
        assert verified.returncode == 0, verified.stderr

    def test_that_are_gifs_are_taken_on_request(self, spoiled: ListedSet, out: Path) -> None:
        options = ("--on-bad-image", "skip", "--transcode")
        run = spoiled.prepare_here(out, *ALL_FORMATS, *options)
        assert run.returncode == 4
        assert run.stdout.count("gif-transcoded: 1") == len(FORMATS)
        assert run.stdout.count("3 left out") == len(FORMATS)

    def test_that_lie_turned_are_counted(self, drawn: ListedSet, out: Path) -> None:
        for number in range(3):
            lay(drawn.root / f"turned {number}.jpg", encoded(number, orientation=6))
            drawn.add(f"{100 + number}\t1\tturned {number}.jpg")
        kept = drawn.prepare_here(out, "--format", "recordio")
        assert kept.returncode == 0
        assert "orientation-6-kept: 3" in kept.stdout
        assert manifest_of(out, "recordio")["notes"] == {"orientation-6-kept": 3}
        baked = drawn.prepare_here(out, "--format", "recordio", "--orientation", "bake")
        assert baked.returncode == 0
        assert "orientation-6-baked: 3" in baked.stdout
        refused = drawn.prepare_here(out, "--format", "recordio", "--orientation", "refuse")
        assert refused.returncode == 3
        assert "line 25: turned 0.jpg: " in refused.stderr

    def test_may_not_be_all_there_are(self, drawn: ListedSet, tmp_path: Path, out: Path) -> None:
        elsewhere = ListedSet(tmp_path, drawn.path)
        run = elsewhere.prepare_here(out, "--on-bad-image", "skip")
        assert run.returncode == 3
        assert "none of the images is there" in run.stderr
        assert not out.exists()


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("x\t1\tcats/0.jpg", 3, "not the id of an image"),
        ("1\tone\tcats/0.jpg", 3, "not a label"),
        ("1\t16777217\tcats/0.jpg", 3, "float32 would change"),
        ("1\t1e39\tcats/0.jpg", 3, "not a label"),
        ("1\tcats/0.jpg", 3, "fields are missing"),
        ("0\t1\tcats/0.jpg", 3, "stands there twice"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(
    drawn: ListedSet, out: Path, line: str, status: int, said: str
) -> None:
    drawn.add(line)
    words = (str(drawn.path), "--root", str(drawn.root), "--out", str(out))
    run = _refusal(by_click(LIST, words))
    assert run.exit_status == status
    assert said in run.what
    assert run.place == "line 25"
    assert not out.exists()


def _refusal(job: Job) -> InputRefused:
    with pytest.raises(InputRefused) as refusal:
        resolve(job)
    return refusal.value
