"""The exports of an image list and of a folder, opened by those that they are made for."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from drawnlists import draw_list, encoded, lay
from support import shardmill
from test_exports_job import python


def rows(path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = pq.read_table(path, partitioning=None).to_pylist()
    return found


def test_mlcroissant_loads_every_record_of_a_list_and_of_a_folder(
    tmp_path: Path, out: Path
) -> None:
    listed = draw_list(tmp_path / "drawn", images=9)
    listed.add("90\t1\t2.5\tcats/0.jpg")
    for number, name in enumerate(("a", "b", "a")):
        lay(tmp_path / "pets" / name / f"{number}.jpg", encoded(number))
    words = ("--format", "webdataset", "--export", "croissant")
    folder = ("imagelist", tmp_path / "pets", "--recursive", "--out", tmp_path / "other")
    for run in (listed.prepare(out, *words), shardmill(*folder, *words)):
        assert run.returncode == 0, run.stderr
    for made in (out, tmp_path / "other"):
        found = python("croissant", "read_croissant.py", made / "croissant.json")
        wanted = rows(made / "metadata.parquet")
        records = found["records"]["images"]
        for name in ("split", "file_name", "id", "labels", "class_index", "class_text"):
            assert [record[f"images/{name}"] for record in records] == [row[name] for row in wanted]
    assert found["records"]["classes"] == [
        {"classes/folder": "a", "classes/label": 0},
        {"classes/folder": "b", "classes/label": 1},
    ]


def test_imagefolder_and_torchvision_read_the_class_folders(tmp_path: Path, out: Path) -> None:
    for number, name in enumerate(("Dog", "cat", "small owl") * 2):
        lay(tmp_path / "pets" / name / f"{number}.jpg", encoded(number))
    words = ("--recursive", "--format", "none", "--export", "imagefolder", "--out", out)
    run = shardmill("imagelist", tmp_path / "pets", *words)
    assert run.returncode == 0, run.stderr
    tree = out / "pets"
    options = json.dumps({"data_dir": str(tree)})
    (split,) = python("datasets", "read_hf_imagefolder.py", tmp_path / "cache", options).values()
    assert split["classes"] == {"label": ["Dog", "cat", "small owl"]}
    assert [Path(row["image"][0]).parent.name for row in split["rows"]] == [
        row["class_text"] for row in split["rows"]
    ]
    found = python("torchvision", "read_imagefolder.py", tree)
    assert found["classes"] == ["Dog", "cat", "small owl"]
