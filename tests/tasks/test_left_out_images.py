"""An image that was left out gets in with the next run, once it is there and intact."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawnlists import encoded, lay, stored
from drawntrees import do, draw_tree
from filetimes import age
from support import RawSet, products

from pipeline import paths
from pipeline.images.prepare import ImageOptions
from pipeline.job import build
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.shards import finish as outputs
from pipeline.state.inventory import Inventory
from tasks.cli import report

FORMATS = ("recordio", "webdataset")
GOOD = encoded(50)
BAD = b"no image".ljust(len(GOOD))


def of_folder(folder: Path) -> tuple[Path, str, Callable[..., Job]]:
    for number in range(4):
        lay(folder / f"img/{number}.jpg", encoded(number))

    def job(out: Path, **options: Any) -> Job:
        return build.list_job(str(folder / "img"), "", str(out), 2, formats=FORMATS, **options)

    return folder / "img/1.jpg", "img", job


def of_list(folder: Path) -> tuple[Path, str, Callable[..., Job]]:
    image, name, _ = of_folder(folder)
    lines = "".join(f"{number}\t{number}\t{number}.jpg\n" for number in range(4))
    listed = lay(folder / "img.lst", lines.encode())

    def job(out: Path, **options: Any) -> Job:
        root = str(image.parent)
        return build.list_job(str(listed), root, str(out), 2, formats=FORMATS, **options)

    return image, name, job


def of_tree(folder: Path) -> tuple[Path, str, Callable[..., Job]]:
    drawn = draw_tree(folder)

    def job(out: Path, **options: Any) -> Job:
        return drawn.job(out, formats=FORMATS, boxes=False, **options)

    return drawn.image(1), "train", job


def counts(job: Job) -> list[tuple[int, int]]:
    """Return records and images left out, of each format."""
    documents = [outputs.document(each) for s in resolve(job).splits.values() for each in s.outputs]
    return [(each.counts.records, each.counts.left_out) for each in documents if each]


@pytest.mark.parametrize(
    ("source", "skip"),
    [(of_folder, True), (of_list, True), (of_tree, True), (of_list, False)],
    ids=["folder-skip", "list-skip", "tree-skip", "list-fail"],
)
@pytest.mark.parametrize("now", [GOOD, GOOD + b"more"], ids=["as many bytes", "other size"])
def test_a_bad_image_that_is_replaced_as_the_closing_line_says(
    tmp_path: Path,
    out: Path,
    capsys: pytest.CaptureFixture[str],
    source: Callable[[Path], tuple[Path, str, Callable[..., Job]]],
    now: bytes,
    skip: bool,
) -> None:
    image, name, make_job = source(tmp_path / "set")
    image.write_bytes(BAD)
    age(image.parent)
    job = make_job(out, on_bad_image="skip")
    do(job)
    assert [left for _, left in counts(job)] == [1, 1]
    assert report.complete(Inventory(resolve(job)), "complete") == report.LEFT_OUT
    said = capsys.readouterr().out
    assert f"{name}: recordio: left out: 1, e.g. " in said
    assert "put intact files in their places, then run the same command again" in said
    image.write_bytes(now)
    again = job if skip else make_job(out)
    do(again)
    assert [left for _, left in counts(again)] == [0, 0]
    for shard_format in FORMATS:
        assert now in [content for _, content in stored(out, shard_format, name)]
    do(make_job(tmp_path / "fresh"))
    digests = {each.digest for each in resolve(again).splits[name].outputs}
    made = {
        file: content for file, content in products(out).items() if digests & set(file.split("/"))
    }
    assert made.items() <= products(tmp_path / "fresh").items()


def test_an_absent_image_that_is_there_now(tmp_path: Path, out: Path) -> None:
    image, name, make_job = of_list(tmp_path / "set")
    content = image.read_bytes()
    image.unlink()
    job = make_job(out, on_bad_image="skip")
    do(job)
    before = paths.current(out, "recordio", name).resolve()
    assert counts(job) == [(3, 1), (3, 1)]
    image.write_bytes(content)
    do(job)
    assert counts(job) == [(4, 0), (4, 0)]
    assert content in [found for _, found in stored(out, "recordio", name)]
    assert paths.current(out, "recordio", name).resolve() != before


def test_an_image_of_more_pixels_than_were_allowed(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, name, make_job = of_folder(tmp_path / "set")
    file.write_bytes(encoded(60))
    few = ImageOptions(quality=90, max_pixels=50 * 30)
    job = make_job(out, on_bad_image="skip", image=few)
    do(job)
    assert counts(job) == [(3, 1), (3, 1)]
    report.complete(Inventory(resolve(job)), "complete")
    said = capsys.readouterr().out
    assert "; allow more pixels with a larger --max-pixels; all are listed" in said
    assert "put intact files" not in said
    more = make_job(out, image=ImageOptions(quality=90))
    assert (
        resolve(more).splits[name].outputs[0].digest == resolve(job).splits[name].outputs[0].digest
    )
    assert counts(more) == []
    do(more)
    assert counts(more) == counts(job) == [(4, 0), (4, 0)]
    do(make_job(tmp_path / "fresh", image=ImageOptions(quality=90)))
    fresh = list(stored(tmp_path / "fresh", "recordio", name))
    assert list(stored(out, "recordio", name)) == fresh


def test_of_an_archive_no_remedy_is_named_that_does_not_work(
    small: RawSet, tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = small.copy(tmp_path / "raw")
    spoil(raw)
    do(raw.job(out, splits=("validation",), boxes=False, on_bad_image="skip"))
    job = raw.job(out, splits=("validation",), boxes=False, on_bad_image="skip")
    assert report.complete(Inventory(resolve(job)), "complete") == report.LEFT_OUT
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "left out: 1, e.g." in line]
    assert "all are listed in the manifest" in said
    assert "put intact files" not in said


def spoil(raw: RawSet) -> None:
    """Make an image of the flat archive one that nobody can read."""
    archive = raw.raw / "ILSVRC2012_img_val.tar"
    with tarfile.open(archive) as tar:
        member = next(each for each in tar if each.isfile())
    with archive.open("r+b") as file:
        file.seek(member.offset_data)
        file.write(bytes(member.size))
    raw.repin(archive.name)
