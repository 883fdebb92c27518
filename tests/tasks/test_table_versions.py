"""Catalogs and plans of another version are made again where they are needed, outputs never."""

from __future__ import annotations

import json
from pathlib import Path

import inprocess
import pytest
from drawnlists import draw_list
from inprocess import Ran
from support import RawSet, products

from pipeline import paths, storage
from pipeline.catalog import table as catalog
from pipeline.job.resolve import resolve
from pipeline.job.split import SplitJob

FORMATS = ("tfrecord", "recordio", "webdataset")


def prepare(patch: pytest.MonkeyPatch, raw_set: RawSet, out: Path) -> Ran:
    where = ("--raw", raw_set.raw, "--config", raw_set.config, "--out", out)
    return inprocess.shardmill(patch, "imagenet", *where, "--format", ",".join(FORMATS))


def split_of(raw_set: RawSet, out: Path) -> SplitJob:
    inprocess.forget()
    return resolve(raw_set.job(out, formats=FORMATS)).splits["train"]


def state(out: Path, folder: str) -> set[str]:
    return {path.name for path in (paths.state(out) / folder).iterdir()}


def test_another_version_of_catalogs_changes_no_digest_but_theirs(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = split_of(small, out)
    monkeypatch.setattr(catalog, "VERSION", catalog.VERSION + 1)
    after = split_of(small, out)
    assert after.catalog_digest != before.catalog_digest
    assert after.plan_digest != before.plan_digest
    for name in ("rows_digest", "images_digest", "shards_digest", "outputs"):
        assert getattr(after, name) == getattr(before, name)


def test_a_finished_output_is_complete_whatever_the_version_of_its_catalog(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare(monkeypatch, small, out).status == 0
    before, catalogs, plans = products(out), state(out, "catalogs"), state(out, "plans")
    monkeypatch.setattr(catalog, "VERSION", catalog.VERSION + 1)
    run = prepare(monkeypatch, small, out)
    assert (run.status, run.said.count("already complete, ")) == (0, 2 * len(FORMATS)), run.said
    assert products(out) == before
    assert (state(out, "catalogs"), state(out, "plans")) == (catalogs, plans)
    for command in ("status", "clean"):
        assert inprocess.shardmill(monkeypatch, command, out).status == 0
    run = inprocess.verify(monkeypatch, out, "--against", small.raw)
    assert run.status == 0, run.said


def test_a_half_made_output_is_gone_on_with_by_a_catalog_of_this_version(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare(monkeypatch, small, out).status == 0
    before, catalogs = products(out), state(out, "catalogs")
    output = split_of(small, out).output("recordio")
    for path in (paths.manifest(output.folder), paths.shard_mark(out, output.digest, 1)):
        storage.remove(out, path)
    monkeypatch.setattr(catalog, "VERSION", catalog.VERSION + 1)
    assert prepare(monkeypatch, small, out).status == 0
    after = products(out)
    manifests = {f"recordio/train/{output.digest}/manifest.json"}
    assert {name for name in before if before[name] != after[name]} == manifests
    assert state(out, "catalogs") > catalogs
    assert inprocess.verify(monkeypatch, out, "--against", small.raw).status == 0


def test_a_manifest_says_the_options_of_its_own_source(
    small: RawSet, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = draw_list(tmp_path / "set")
    run = inprocess.shardmill(
        monkeypatch, "imagelist", images.path, "--root", images.root, "--out", out
    )
    assert run.status == 0, run.said
    path = next(out.glob("*/*/current/manifest.json"))
    document = json.loads(path.read_bytes())
    assert not {"box_class_filter", "classes", "skip_blacklisted"} & set(document["parameters"])
    job = json.loads(json.loads(paths.last_job(out).read_bytes())["job"])
    assert not {"raw", "config", "tree", "boxes", "products"} & set(job)
