"""What a product was made of: everything that changes its digest is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import inprocess
import pytest
from exportnames import OF_ALL_SETS
from support import RawSet

from pipeline.errors import OutputConflict
from pipeline.job.artifacts import Product
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import preflight

EVERY = {"exports": OF_ALL_SETS, "steps": ("boxes", "lists", "extract", "shards")}


def made(job: Job) -> dict[str, Product]:
    resolve.cache_clear()
    return {product.name: product for product in resolve(job).products}


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"box_class_filter": True}, {"bboxes-train": "--box-class-filter"}),
        ({"classes": "classes.txt"}, {"list-train": "--classes", "tree-train": "--classes"}),
        ({"skip_blacklisted": True}, {"list-validation": "--skip-blacklisted"}),
        ({"data_dir": "/data"}, {"dbcollection.classification": "--data-dir"}),
        ({"formats": ("recordio",)}, {"parquet": "train: shards of recordio"}),
        ({"exports": ("parquet", "croissant")}, {}),
        ({"extras": ("validation-boxes",)}, {"imagefolder-validation": "annotations"}),
        ({"boxes": False}, {"imagefolder-train": "annotations"}),
    ],
)
def test_a_product_of_another_digest_names_what_is_otherwise(
    sample: RawSet, out: Path, tmp_path: Path, option: dict[str, object], named: dict[str, str]
) -> None:
    given = dict(option)
    if "classes" in given:
        counts = [set(split.expected.counts) for split in resolve(sample.job(out)).splits.values()]
        chosen = sorted(set.intersection(*counts))[:2]
        (tmp_path / "classes.txt").write_text("\n".join(chosen) + "\n")
        given["classes"] = str(tmp_path / "classes.txt")
    job = sample.job(out, **EVERY)
    before, after = made(job), made(replace(job, **given))  # type: ignore[arg-type]
    for name in before.keys() & after.keys():
        same = before[name].digest == after[name].digest
        assert (before[name].made_of == after[name].made_of) == same, name
    for name, what in named.items():
        assert before[name].made_of.get(what) != after[name].made_of.get(what), name


def test_the_whole_command_names_the_option(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, out: Path
) -> None:
    words = ("imagenet", "--raw", small.raw, "--config", small.config, "--out", out)
    assert inprocess.shardmill(monkeypatch, *words, "--until", "boxes").status == 0
    job = small.job(out, steps=("boxes",), box_class_filter=True)
    with pytest.raises(OutputConflict, match="--box-class-filter: given"):
        preflight.check_readonly(resolve(job))
    run = inprocess.shardmill(monkeypatch, *words, "--until", "boxes", "--box-class-filter")
    assert run.status == 2
    assert "found:    --box-class-filter: not given" in run.said
    run = inprocess.shardmill(
        monkeypatch, *words, "--until", "boxes", "--box-class-filter", "--replace"
    )
    assert run.status == 0, run.said
