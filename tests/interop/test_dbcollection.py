"""dbcollection loads the files made for it, and makes the same ones of the same images."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import scipy.io
from support import ROOT, RawSet, prepare

from pipeline import paths, storage
from pipeline.archives.compressed import read_members
from pipeline.catalog import table as catalog
from pipeline.exports.dbcollection import export
from pipeline.exports.dbcollection.cache import register
from pipeline.exports.dbcollection.file import TASKS, USABLE, ClassText, Conventions, write
from pipeline.exports.dbcollection.split import Split, arrange
from pipeline.exports.dbcollection.strict import STRICT
from pipeline.job.resolve import resolve
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012 import matlab
from pipeline.state import status
from pipeline.storage import StagedFile

READERS = Path(__file__).with_name("readers")
PYTHON = os.environ.get(
    "SHARDMILL_DBCOLLECTION_PYTHON", str(ROOT / ".venv-dbcollection/bin/python")
)
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
EXTRACT = ("--extract", "--until", "extract", "--no-boxes")
FIELDS = ["image_filenames", "classes"]
PNG = b"\x89PNG"
PROPERTIES = ["shape", "dtype", "chunks", "maxshape", "compression", "compression_opts"]
PROPERTIES += ["shuffle", "fletcher32", "fillvalue"]

Image = tuple[str, str]  # WNID, file name


@dataclass(frozen=True)
class Extracted:
    """A tree that ``--extract`` made, its catalogs, and a devkit's ``meta.mat``."""

    out: Path
    splits: list[Split]
    meta: bytes

    @property
    def texts(self) -> dict[str, ClassText]:
        """What each class of the devkit means."""
        synsets = matlab.read_structs(self.meta, "synsets")
        columns = (map(str, synsets[name]) for name in ("WNID", "words", "gloss"))
        rows = zip(*columns, strict=True)
        return {wnid: ClassText(words, gloss) for wnid, words, gloss in rows}

    def listed(self, folder: str) -> list[Image]:
        """Return the images in a folder of the tree, by class and name."""
        found = (self.out / folder).glob("*/*")
        return sorted((path.parent.name, path.name) for path in found)


@pytest.fixture
def extracted(raw_set: RawSet, tmp_path: Path) -> Extracted:
    """The tree of the drawn sample, then that of the real mini set."""
    out = tmp_path / "data" / "ilsvrc2012"
    run = prepare(raw_set, out, *EXTRACT)
    assert run.returncode == 0, run.stderr
    resolved = resolve(status.recorded_jobs(out)[-1])
    splits = []
    for split in resolved.splits.values():
        rows = catalog.read(paths.catalog(out, split.name, split.catalog_digest))
        splits.append(arrange(split.split.folder, split.expected.counts, rows))
    return Extracted(out, splits, meta_of(raw_set, tmp_path))


def meta_of(raw_set: RawSet, folder: Path) -> bytes:
    """Return the ``meta.mat`` of a set's devkit; where it has none, one of its label table."""
    if (raw_set.raw / DEVKIT).exists():
        members = read_members(raw_set.raw / DEVKIT, largest=1 << 24)
        return next(content or b"" for each, content in members if each.name.endswith("meta.mat"))
    table = labels.load_table(raw_set.config.parent / "synsets.tsv")
    names = ["ILSVRC2012_ID", "WNID", "words", "gloss"]
    rows = enumerate(zip(table.class_ids, table.words, strict=True), start=1)
    structs = [[(number, wnid, words, f'what "{wnid}" means')] for number, (wnid, words) in rows]
    synsets = np.array(structs, [(name, object) for name in names])
    scipy.io.savemat(folder / "meta.mat", {"synsets": synsets})
    return (folder / "meta.mat").read_bytes()


def write_file(
    path: Path, task: str, tree: Extracted, data: Path, conventions: Conventions
) -> Path:
    """Write the file of a task, for images in the folder `data`."""
    options: dict[str, Any] = {"conventions": conventions, "provenance": {"program": "shardmill"}}
    with StagedFile(path) as staged:
        write(staged, task, tree.splits, tree.texts, str(data), **options)
        storage.publish(staged)
    return path


def python(home: Path, *command: object) -> str:
    """Return what a reader prints whose home folder is `home`."""
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(home)}
    run = subprocess.run(
        [PYTHON, *map(str, command)], capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def answers(images: list[Image], folder: Path, texts: dict[str, ClassText]) -> dict[str, Any]:
    """What the loader should answer on a set."""
    classes = sorted({wnid for wnid, _ in images})
    files = [str(folder / wnid / name) for wnid, name in images]
    ids = [[row, classes.index(wnid)] for row, (wnid, _) in enumerate(images)]
    per_class = [[row for row, rank in ids if rank == each] for each in range(len(classes))]
    most = max(map(len, per_class))
    fields = {
        "image_filenames": files,
        "classes": classes,
        "labels": [texts[wnid].words for wnid in classes],
        "descriptions": [texts[wnid].gloss for wnid in classes],
        "object_fields": FIELDS,
    }
    lists = [rows + [-1] * (most - len(rows)) for rows in per_class]
    numbers = {"object_ids": ids, "list_image_filenames_per_class": lists}
    return {
        "list": sorted([*fields, *numbers]),
        "texts": fields,
        "numbers": numbers,
        "one": {field: values[0] for field, values in fields.items()},
        "some": [files[0], files[-1]],
        "object": [[ids[row], [files[row], classes[ids[row][1]]]] for row in (0, -1)],
        "field_ids": [0, 1, None],
    }


def test_dbcollection_finds_both_tasks_in_its_cache(extracted: Extracted, tmp_path: Path) -> None:
    out, files = extracted.out, {}
    for task in TASKS:
        path = export.file(out, task)
        files[task] = write_file(path, task, extracted, out, USABLE)
    home = tmp_path / "home"
    register(home, files)
    found = json.loads(python(home, READERS / "read_dbcollection.py"))
    for task, suffix in (("classification", ""), ("raw256", "256")):
        listed = {name: extracted.listed(name) for name in ("train", "val")}
        sets = {
            name: answers(images, extracted.out / f"{name}{suffix}", extracted.texts)
            for name, images in listed.items()
        }
        assert found[task]["sets"] == sets
        assert found[task]["size"] == {name: [len(each), 2] for name, each in listed.items()}
        assert found[task]["data_dir"] == str(extracted.out)
        for name, images in listed.items():
            assert f"Set: {name}" in found[task]["info"]
            assert f"shape = ({len(images)}, 2)," in found[task]["info"]


def test_the_usable_paths_of_an_extracted_tree_exist(extracted: Extracted, tmp_path: Path) -> None:
    path = write_file(tmp_path / "c.h5", "classification", extracted, extracted.out, USABLE)
    with h5py.File(path) as file:
        for split in extracted.splits:
            rows = file[split.name]["image_filenames"][()]
            files = [bytes(row).rstrip(b"\0").decode() for row in rows]
            assert len(files) == len(extracted.listed(split.name))
            assert all(Path(each).is_file() for each in files)


def lay_out(tree: Extracted, layout: str, task: str, data: Path) -> Extracted:
    """Copy the images in a layout that dbcollection takes; return what that copy holds."""
    (data / "ilsvrc2012").mkdir(parents=True)
    (data / "ilsvrc2012" / "meta.mat").write_bytes(tree.meta)
    splits = []
    for name in ("train", "val"):
        images = tree.listed(name)
        if task == "raw256":  # it dies of an image that it cannot write as a JPEG
            images = [each for each in images if not is_png(tree.out / name / "/".join(each))]
        images = images[:1] if layout == "one image" else images
        flat = layout == "flat" and name == "val"
        folder = f"ILSVRC2012_img_{name}" if layout == "published names" else name
        for wnid, file in images:
            target = data / "ilsvrc2012" / folder / ("" if flat else wnid) / file
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(tree.out / name / wnid / file, target)
        if flat:
            write_truth(data / "ilsvrc2012", images, tree.meta)
        counts = Counter(wnid for wnid, _ in images)
        splits.append(arrange(name, counts, rows_of(images), folder=folder, flat=flat))
    return Extracted(data, splits, tree.meta)


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(PNG)


def write_truth(folder: Path, images: Iterable[Image], meta: bytes) -> None:
    """Write the classes of flat images: line i is that of the i-th in the listing."""
    wnids = matlab.read_structs(meta, "synsets")["WNID"]
    by_name = sorted(images, key=lambda image: image[1])
    lines = "".join(f"{wnids.index(wnid) + 1}\n" for wnid, _ in by_name)
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(lines)


def rows_of(images: list[Image]) -> list[pa.Table]:
    keys = [f"{wnid}/{name}" for wnid, name in images]
    return [pa.table({"key": keys, "class_id": [wnid for wnid, _ in images]})]


def described(path: Path) -> dict[str, object]:
    """Return everything in a file but the attributes of its root."""
    found: dict[str, object] = {}

    def describe(name: str, member: h5py.Group | h5py.Dataset) -> None:
        assert dict(member.attrs) == {}
        found[name] = "group"
        if isinstance(member, h5py.Dataset):
            properties = {each: getattr(member, each) for each in PROPERTIES}
            found[name] = {**properties, "values": member[()].tolist()}

    with h5py.File(path) as file:
        file.visititems(describe)
    return found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("layout", ["folders", "flat", "published names", "one image"])
def test_the_strict_file_is_what_dbcollection_itself_makes(
    extracted: Extracted, tmp_path: Path, layout: str, task: str
) -> None:
    data = tmp_path / "laid out"
    tree = lay_out(extracted, layout, task, data)
    theirs = python(tmp_path / "home", READERS / "make_dbcollection.py", data, task)
    ours = write_file(tmp_path / "ours.h5", task, tree, data, STRICT)
    assert described(ours) == described(Path(theirs.rstrip("\n")))
