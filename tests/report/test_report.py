"""``shardmill report``: pages of outputs of every kind, damaged or not."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import finishedoutputs
import pytest
import shared
from commands import shardmill
from drawnlists import encoded, lay
from PIL import Image
from reportpages import Page, pages
from support import RawSet

from pipeline import manifest
from pipeline.formats.registry import FORMATS
from pipeline.report import chosen, places, thumbnails

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def finished(sample: RawSet) -> Path:
    """The drawn sample with its report, made once; never changed by a test."""

    def make(folder: Path) -> None:
        out = folder / "out"
        finishedoutputs.prepared(sample, out, "--format", "tfrecord,recordio")
        run = shardmill("report", out)
        assert run.returncode == 0, run.stdout + run.stderr
        (folder / "stdout").write_text(run.stdout)

    return shared.once("report-of-sample", make)


def own(finished: Path, out: Path) -> Path:
    """Return a copy of a finished output with its report."""
    shutil.copytree(finished / "out", out, symlinks=True)
    return out


def files(out: Path) -> dict[str, bytes]:
    """Return what a report promises to be the same: all of it but commands and costs."""
    found = {
        str(path.relative_to(out)): path for path in (out / "report").rglob("*") if path.is_file()
    }
    return {name: path.read_bytes() for name, path in found.items() if name != "report/run.html"}


def listed(folder: Path, images: dict[str, bytes], *words: object) -> Path:
    """Return the output of class folders with these images."""
    for name, content in images.items():
        lay(folder / "root" / name, content)
    out = folder / "out"
    run = shardmill("imagelist", folder / "root", "--recursive", "--out", out, *words)
    assert run.returncode in {0, 4}, run.stderr
    return out


def test_every_link_of_every_page_leads_to_a_file(finished: Path) -> None:
    out = finished / "out"
    assert (finished / "stdout").read_text().splitlines()[-1].endswith("report/index.html")
    found = pages(out / "report")
    assert len(found) == 2 + 8
    for page in found:
        assert [link for link in page.links if not link.exists()] == []
    index = found[0]
    assert (index.path.parent / "run.html").resolve() in index.links
    assert min(out.glob("tfrecord/*/*/manifest.json")).resolve() in index.links


def test_the_first_page_says_what_there_is(finished: Path) -> None:
    text = Page(finished / "out/report/index.html").text
    for said in (
        "120 images in 2 splits, 8 classes; 992 more classes without an image",
        "Irish terrier",
        "train: 2 repaired images",
        "cmyk 1, png 1",
        "ILSVRC2012_img_train.tar",
        "Images a class",
        "Chroma sampling",
        "Areas of boxes",
    ):
        assert said in text
    md5 = manifest.load(next((finished / "out/tfrecord/train").glob("*/manifest.json")))["inputs"]
    assert md5[0]["md5"] in text


def test_a_page_shows_each_image_of_a_class_with_its_boxes(finished: Path) -> None:
    page = Page(next((finished / "out/report").rglob("classes/00000.html")))
    shown = page.of("svg")
    assert len(shown) == 2 * (12 + 3)  # each within one that is as large
    assert len([box for box in page.of("rect") if box.get("class") != "halo"]) == 20
    whole = [link for link in page.links if "-" in link.stem and link.suffix == ".jpg"]
    with Image.open(whole[0]) as image:
        assert max(image.size) > thumbnails.SIDE
    sheet = next(link for link in page.links if link.name == "00000.jpg")
    with Image.open(sheet) as image:
        assert image.size == (chosen.COLUMNS * thumbnails.SIDE, chosen.ROWS * thumbnails.SIDE)


def test_images_are_placed_before_they_are_loaded(finished: Path) -> None:
    for page in pages(finished / "out/report"):
        for tag in ("img", "svg", "image"):
            assert all({"width", "height"} <= given.keys() for given in page.of(tag))


def test_the_page_forbids_the_network_and_what_it_did_not_bring(finished: Path) -> None:
    for page in pages(finished / "out/report"):
        (policy,) = [m["content"] for m in page.of("meta") if m.get("http-equiv")]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert not [name for _, given in page.tags for name in given if name.startswith("on")]
        assert not [given for _, given in page.tags if "style" in given]
        assert "http:" not in (text := page.path.read_text())
        assert "https:" not in text


def test_the_same_output_gives_the_same_bytes(finished: Path, sample: RawSet, out: Path) -> None:
    finishedoutputs.prepared(sample, out, "--format", "tfrecord,recordio")
    assert shardmill("report", out).returncode == 0
    assert files(out) == files(finished / "out")


def test_a_report_again_makes_nothing_and_says_so(finished: Path, out: Path) -> None:
    assert shardmill("report", own(finished, out)).returncode == 0  # commands name another OUT
    files_of_it = [path for path in (out / "report").rglob("*") if path.is_file()]
    times = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files_of_it}
    run = shardmill("report", out)
    assert run.returncode == 0
    assert "already complete" in run.stdout
    assert times == {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in times}


def test_images_are_counted_once_though_repaired_ones_are_drawn_twice(finished: Path) -> None:
    assert "8 classes, 120 images shown" in (finished / "stdout").read_text()
    text = Page(finished / "out/report/index.html").text
    assert "notes of the 120 images that are shown" in text
    assert "train: 95 validation: 24 4:2:0" in text  # one is gray


def test_a_lost_sheet_is_drawn_again_alone(finished: Path, out: Path) -> None:
    before = files(own(finished, out))
    lost = next((out / "report").rglob("validation/00001.jpg"))
    lost.unlink()
    assert shardmill("report", out).returncode == 0
    assert files(out) == before


def test_status_verify_and_clean_know_the_report(finished: Path, out: Path) -> None:
    own(finished, out)
    assert shardmill("verify", out).returncode == 0
    assert "nothing to remove" in shardmill("clean", out).stdout
    assert shardmill("status", out).stdout == shardmill("status", finished / "out").stdout.replace(
        str(finished / "out"), str(out)
    )
    sheet = next((out / "report").rglob("train/00000.jpg"))
    sheet.write_bytes(sheet.read_bytes()[:-1] + b"?")
    run = shardmill("verify", out, "--remove-damaged")
    assert run.returncode == 1
    assert str(sheet.relative_to(out)) in run.stdout + run.stderr
    assert shardmill("report", out).returncode == 0
    assert files(out) == files(finished / "out")


def test_another_output_takes_the_place_of_an_earlier_report(tmp_path: Path) -> None:
    out = listed(tmp_path, {f"{name}/{n}.jpg": encoded(n) for n, name in enumerate("aab")})
    finishedoutputs.reported(out)
    earlier = {path.name for path in (out / "report").iterdir() if path.is_dir()}
    listed(tmp_path, {"b/9.jpg": encoded(9)})
    finishedoutputs.reported(out)
    later = {path.name for path in (out / "report").iterdir() if path.is_dir()}
    assert len(later) == len(earlier) == 2
    assert not later & earlier
    assert "4 images" in Page(out / "report/index.html").text
    assert {path.name for path in (out / ".shardmill/report").iterdir()} == later


def test_texts_of_others_are_shown_and_never_markup(tmp_path: Path) -> None:
    name = HOSTILE.replace("/", ";")
    out = listed(tmp_path, {f"{name}/{name}.jpg": encoded(1), "plain/a.jpg": encoded(2)})
    report = finishedoutputs.reported(out)
    for page in pages(report):
        scripts = page.of("script")
        assert [given["src"].rpartition("/")[2] for given in scripts] == ["report.js"]
    index = Page(report / "index.html")
    assert name in index.text
    assert f"{name}/{name}.jpg" in Page(next(report.rglob("classes/00000.html"))).text
    assert all(HOSTILE[:9] not in path.name for path in report.rglob("*"))
    keys = next(report.rglob("keys.js")).read_text()
    assert "<" not in keys
    head, tail = "window.shardmillKeys=", ";\n"
    assert name in json.loads(keys.removeprefix(head).removesuffix(tail))["images"][0][0]


def test_a_key_that_is_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    out = listed(tmp_path, {f"{HOSTILE}.jpg": encoded(1), "plain/a.jpg": encoded(2)})
    report = finishedoutputs.reported(out)
    for page in pages(report):
        assert "<script>alert" not in page.path.read_text()
        assert [given["src"].rpartition("/")[2] for given in page.of("script")] == ["report.js"]
    page = next(each for each in pages(report) if each.path.name == "00000.html")
    assert f"{HOSTILE}.jpg" in page.text
    assert {given["aria-label"] for given in page.of("svg", role="img")} == {f"{HOSTILE}.jpg"}
    keys = next(report.rglob("keys.js")).read_text()
    assert "<" not in keys


def test_images_without_boxes_have_no_plots_of_boxes_and_nothing_to_switch(tmp_path: Path) -> None:
    report = finishedoutputs.reported(listed(tmp_path, {"a/1.jpg": encoded(1)}))
    index = Page(report / "index.html")
    assert "Boxes on an image" not in index.text
    assert "Areas of boxes" not in index.text
    page = Page(next(report.rglob("classes/00000.html")))
    assert "1 image" in page.text
    assert page.of("rect") == []
    assert not [given for _, given in page.tags if "data-show" in given]


def test_the_page_of_the_mini_set_shows_its_photographs(mini: RawSet, out: Path) -> None:
    finishedoutputs.prepared(mini, out)
    report = finishedoutputs.reported(out)
    found = pages(report)
    assert [link for page in found for link in page.links if not link.exists()] == []
    assert "Damaged" not in found[0].text
    assert any(page.of("g", class_="boxes") for page in found)


def test_a_class_that_a_split_lacks_says_so(tmp_path: Path) -> None:
    images = {f"{s}/{c}/{n}.jpg": encoded(n) for s, c, n in (("train", "a", 1), ("train", "b", 2))}
    out = listed(tmp_path, {**images, "val/a/3.jpg": encoded(3)})
    report = finishedoutputs.reported(out)
    page = Page(next(report.rglob("classes/00001.html")))
    assert "No image of this class is in" in page.text


def test_a_class_that_no_image_has_is_listed_and_counted(tmp_path: Path) -> None:
    table = lay(tmp_path / "classes.tsv", b"folder\tlabel\na\t0\nthin\t1\nb\t2\n")
    images = {"a/1.jpg": encoded(1), "a/2.jpg": encoded(2), "b/3.jpg": encoded(3)}
    out = listed(tmp_path, images, "--classes", table)
    run = shardmill("report", out)
    assert "2 classes, 3 images shown; 1 class without an image" in run.stdout
    index = Page(out / "report/index.html")
    assert "2 classes; 1 more class without an image" in index.text
    assert [given["data-find"] for given in index.of("tr") if "data-find" in given] == ["thin  1"]
    assert "1 class without an image class label images thin class 1, from 0 0" in index.text
    assert "root: 0 to 2 a class" in index.text
    assert "1 class of the label table without an image" in index.text
    table.unlink()  # the output keeps the table
    assert "already complete" in shardmill("report", out).stdout


def test_classes_of_a_table_that_were_not_chosen_are_none_without_an_image(
    sample: RawSet, out: Path
) -> None:
    chosen = lay(out.parent / "chosen.txt", b"n02093991\n")
    finishedoutputs.prepared(sample, out, "--classes", chosen)
    run = shardmill("report", out)
    assert "1 class, 15 images shown\n" in run.stdout


def test_two_hundred_classes_have_a_page_each(tmp_path: Path) -> None:
    small = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(small, "JPEG")
    images = {f"{n:03}/{n}.jpg": small.getvalue() for n in range(200)}
    report = finishedoutputs.reported(listed(tmp_path, images, "--shards", 2))
    assert len(list(report.rglob("classes/*.html"))) == 200
    assert len(Page(report / "index.html").of("img", loading="lazy")) == 200


@pytest.mark.parametrize("name", [*FORMATS, "none"])
def test_every_format_is_shown(name: str, tmp_path: Path) -> None:
    images = {f"a/{n}.jpg": encoded(n) for n in range(3)}
    out = listed(tmp_path, images, "--format", name)
    report = finishedoutputs.reported(out)
    page = Page(next(report.rglob("classes/00000.html")))
    copies = [link.read_bytes() for link in page.links if "-" in link.stem]
    if name == "none":
        assert "no shards to read it from" in page.text
    else:
        assert {*copies} == {*images.values()}


def test_masks_are_drawn_over_open_images(openimages: Path, out: Path) -> None:
    shutil.copytree(finishedoutputs.of_openimages(openimages), out, symlinks=True)
    run = shardmill("report", out)
    assert run.returncode == 4  # images are absent
    index = Page(out / "report/index.html")
    assert "3 images left out" in index.text
    assert "absent, there is no such file: bfda2e7a1d3cb4ab.jpg" in index.text
    assert [page.path for page in pages(out / "report") if str(openimages) in page.text] == [
        out / "report/run.html"  # the commands
    ]
    masks = sorted((out / "report").rglob("*.masks.png"))
    assert masks
    with Image.open(masks[0]) as image:
        drawn = image.convert("RGBA")
    assert {*drawn.getchannel("A").tobytes()} == {0, 130}
    assert any(page.of("image", class_="masks") for page in pages(out / "report"))


def test_a_mask_that_was_not_there_is_said_and_drawn_once_it_is_back(
    openimages: Path, out: Path
) -> None:
    shutil.copytree(finishedoutputs.of_openimages(openimages), out, symlinks=True)
    assert shardmill("report", out).returncode == 4  # images are absent
    whole = files(out)
    masks = {path: path.read_bytes() for path in sorted((out / "masks").rglob("*.png"))}
    gone, cut = [path for path in masks if not path.is_symlink()][:2]
    shutil.rmtree(out / "report")
    gone.unlink()
    cut.write_bytes(masks[cut][:40])
    run = shardmill("report", out)
    assert run.returncode == 1
    assert f"its mask is gone: {gone.name}" in run.stderr
    assert f"its mask cannot be read: {cut.name}" in run.stderr
    assert not any("gone" in page.path.read_text() for page in pages(out / "report")[1:])
    for path in (gone, cut):
        path.write_bytes(masks[path])
    assert shardmill("report", out).returncode == 4
    assert files(out) == whole


def test_a_flipped_byte_is_said_and_the_rest_is_shown(finished: Path, out: Path) -> None:
    own(finished, out)
    shutil.rmtree(out / "report")
    for shard in (out / "tfrecord/validation").glob("current/validation-00000-*"):
        content = bytearray(shard.read_bytes())
        content[5000] ^= 1
        shard.write_bytes(content)
    run = shardmill("report", out)
    assert run.returncode == 1
    assert "damaged: tfrecord/validation/" in run.stderr
    index = Page(out / "report/index.html")
    assert "Damaged: 1 finding" in index.text
    assert "is not as it was written" in index.text
    assert sum("gone" in page.path.read_text() for page in pages(out / "report")) == 1


def test_what_was_mended_is_shown_by_the_next_report(finished: Path, out: Path) -> None:
    own(finished, out)
    (shard,) = (out / "tfrecord/validation").glob("current/validation-00000-*")
    whole = shard.read_bytes()
    shutil.rmtree(out / "report")
    shard.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    assert shardmill("report", out).returncode == 1
    shard.write_bytes(whole)
    assert shardmill("report", out).returncode == 0
    assert files(out) == files(finished / "out")


def test_a_missing_shard_is_said_and_another_format_is_shown(finished: Path, out: Path) -> None:
    own(finished, out)
    next((out / "tfrecord/train").glob("current/train-00003-*")).unlink()
    run = shardmill("report", out)
    assert run.returncode == 1
    assert "the manifest says" in run.stderr
    index = Page(out / "report/index.html")
    assert "Damaged: 1 finding" in index.text
    assert "damaged: 1 file" in index.text
    assert "all others were not read" in index.text


def test_images_of_a_missing_shard_are_not_findings_of_their_own(tmp_path: Path) -> None:
    images = {f"a/{n}.jpg": encoded(n) for n in range(6)}
    out = listed(tmp_path, images, "--shards", 2)
    (shard,) = out.glob("tfrecord/*/current/*-00001-of-00002")
    shard.unlink()
    run = shardmill("report", out)
    assert run.returncode == 1
    assert run.stderr.count("damaged: ") == 1
    page = Page(next((out / "report").rglob("classes/00000.html")))
    assert f"its shard is gone: {shard.name}" in page.text


def test_a_missing_shard_leaves_the_images_of_others_to_be_shown(tmp_path: Path) -> None:
    images = {f"{name}/{n}.jpg": encoded(n) for name in "ab" for n in range(6)}
    out = listed(tmp_path, images, "--shards", 2)
    (shard,) = out.glob("tfrecord/*/current/*-00001-of-00002")
    shard.unlink()
    run = shardmill("report", out)
    assert run.returncode == 1
    assert run.stderr.count("damaged: ") == 1
    pages = sorted((out / "report").rglob("classes/*.html"))
    assert all(f"its shard is gone: {shard.name}" in Page(page).text for page in pages)


def test_a_missing_manifest_is_said_and_other_splits_are_shown(tmp_path: Path) -> None:
    images = {f"{s}/a/{n}.jpg": encoded(n) for s, n in (("train", 1), ("val", 2))}
    out = listed(tmp_path, images)
    next((out / "tfrecord").glob("train/*/manifest.json")).unlink()
    run = shardmill("report", out)
    assert run.returncode == 1
    assert "there is no manifest" in run.stderr
    assert "1 image in 1 split" in Page(out / "report/index.html").text


def test_damaged_facts_and_plans_are_said(finished: Path, out: Path) -> None:
    own(finished, out)
    for facts in out.glob("*/validation/*/facts.parquet"):
        facts.write_bytes(b"?" * facts.stat().st_size)
    for plan in (out / ".shardmill/plans").glob("train-*.arrow"):
        plan.unlink()
    shutil.rmtree(out / ".shardmill/report")
    run = shardmill("report", out)
    assert run.returncode == 1
    text = Page(out / "report/index.html").text
    assert "the plan was not kept: classes and boxes are not known" in text
    assert "Images of no class" in text


def test_other_folders_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    run = shardmill("report", tmp_path)
    assert run.returncode == 2
    assert "there is no output here" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_open_hands_the_page_to_a_browser(
    finished: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(finished, out)
    opened = list[str]()
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert shardmill("report", out, "--open").returncode == 0
    assert opened == [places.index(out).as_uri()]


def test_commands_and_costs_have_a_page_of_their_own(finished: Path) -> None:
    text = Page(finished / "out/report/run.html").text
    assert "shardmill imagenet --raw" in text
    assert "seconds at work" in text
    assert "report: draw sheets" in text
