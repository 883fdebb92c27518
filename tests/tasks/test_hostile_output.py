"""An output folder that came from elsewhere, its documents forged: every command only says so."""

from __future__ import annotations

import json
import random
from pathlib import Path

import inprocess
import pytest
from finishedoutputs import of_imagelist
from forgedcommands import MADE, check_forgeries, check_run
from forging import unsealed, unsealed_forgeries
from support import RawSet

from pipeline import manifest, paths, storage

FORGERIES = 4  # a finished folder; `tests/faults` tries more, and others


@pytest.mark.parametrize("kind", MADE)
def test_a_forged_document_ends_no_command_and_reaches_nothing_outside(
    kind: str,
    small: RawSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chance: random.Random,
) -> None:
    check_forgeries(monkeypatch, MADE[kind](small, tmp_path), tmp_path, chance, FORGERIES)


def test_what_forged_commands_have_noted_ends_none(
    monkeypatch: pytest.MonkeyPatch, chance: random.Random, tmp_path: Path
) -> None:
    made = of_imagelist(tmp_path)
    for path in unsealed(made.out):
        forged = list(unsealed_forgeries(path))
        for content in chance.sample(forged, min(len(forged), 16)):
            path.write_bytes(content)
            check_run(monkeypatch, content[:200], "status", made.out)


def test_forged_records_of_a_job_are_removed_and_written_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = of_imagelist(tmp_path)
    records = [paths.last_job(made.out), *storage.documents(paths.jobs(made.out))]
    for path in records:
        path.write_bytes(manifest.serialise({**manifest.load(path), "job": [1]}))
    for name in ("status", "clean"):
        run = inprocess.shardmill(monkeypatch, name, made.out)
        assert (run.status, str(records[1]) in run.said) == (1, True), run.said
    run = inprocess.verify(monkeypatch, made.out, "--remove-damaged")
    assert run.status == 1
    assert all(f"removed: {path}" in run.said for path in records)
    assert inprocess.shardmill(monkeypatch, *made.words).status == 0
    assert inprocess.shardmill(monkeypatch, "status", made.out).status == 0
    assert inprocess.verify(monkeypatch, made.out).status == 0


@pytest.mark.parametrize(
    "options",
    [
        {"steps": []},
        {"config": "/dev/zero"},
        {"classes": "/etc/passwd"},
        {"images": "/dev/zero"},
        {"shards": [["train", 99_999_999]]},
        {"seed": -1, "order": "im2rec"},
        {"label_offset": 10**30},
        {"raw": "/proc", "tree": "/proc"},
    ],
)
def test_a_job_that_nobody_can_have_asked_for_ends_no_command(
    monkeypatch: pytest.MonkeyPatch, small: RawSet, out: Path, options: dict[str, object]
) -> None:
    job = json.loads(small.job(out).to_json()) | options
    record = {"job": json.dumps(job), "files": [], "outputs": [], "products": []}
    storage.publish_bytes(paths.last_job(out), manifest.serialise(record))
    for words in (("status", out), ("clean", out), ("verify", out)):
        check_run(monkeypatch, options, *words)
