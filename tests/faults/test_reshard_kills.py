"""Shards whose resharding dies at once, also while they are read, or unpacked."""

from __future__ import annotations

import gzip
import random
import subprocess
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawnlists import encoded
from drawnshards import tar
from filetimes import settle
from killing import kill_tree
from support import command, products, shardmill, temporary_files

from pipeline import storage
from pipeline.sources.shardset.data_set import READ_AT_ONCE

OPTIONS = ("--format", "tfrecord,webdataset,mds", "--shards", 24, "--resize", 32)
STEPS = ("OUT/.shardmill/catalogs/*", "OUT/.shardmill/shards/*", "UNPACKED/*")


def killed_at(begun: str, chance: random.Random, *words: object) -> None:
    """Kill a command and all that it has begun, a moment after a file of a pattern is there."""
    arguments = command(*words, "--workers", 2)
    started = psutil.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while started.poll() is None and not any(Path("/").glob(begun.lstrip("/"))):
        time.sleep(0.0005)
    time.sleep(chance.uniform(0, 0.05))
    psutil.wait_procs(kill_tree(started))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drawn") / "photos.parquet"
    pq.write_table(pa.table({"jpg": [encoded(n % 90) for n in range(240)]}), path, row_group_size=8)
    return path


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("undisturbed")
    run = shardmill("reshard", photos, "--out", out, *OPTIONS)
    assert run.returncode == 0, run.stderr
    return products(out)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("step", STEPS)
def test_the_same_command_makes_the_same_bytes_after_a_kill(
    photos: Path, undisturbed: dict[str, str], out: Path, chance: random.Random, step: str
) -> None:
    unpacked = storage.unpacked_folder(photos.parent)
    begun = step.replace("OUT", str(out)).replace("UNPACKED", str(unpacked))
    killed_at(begun, chance, "reshard", photos, "--out", out, *OPTIONS)
    temporary = {str(path.relative_to(out)) for path in temporary_files(out)}
    found = {name: content for name, content in products(out).items() if name not in temporary}
    assert found.items() <= undisturbed.items()
    last = shardmill("reshard", photos, "--out", out, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert products(out) == undisturbed
    assert temporary_files(out) == []
    assert not [each for each in unpacked.glob("*") if each.is_file()]  # given up at the end


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    for number in range(3):
        images = ((f"{n}.jpg", encoded(n % 90)) for n in range(number * 60, number * 60 + 60))
        plain = tar(folder / f"plain-{number}", images)
        (folder / f"photos-{number}.tar.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return folder


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("step", ["IN/.*", "IN/*.tar", "OUT/.shardmill/shards/*"])
def test_packed_tars_give_the_same_bytes_after_a_kill_and_leave_nothing_beside_them(
    packed: Path, tmp_path: Path, out: Path, chance: random.Random, step: str
) -> None:
    before = sorted(path.name for path in packed.iterdir())
    first = shardmill("reshard", packed, "--out", tmp_path / "undisturbed", *OPTIONS)
    assert first.returncode == 0, first.stderr
    begun = step.replace("OUT", str(out)).replace("IN", str(packed))
    killed_at(begun, chance, "reshard", packed, "--out", out, *OPTIONS)
    last = shardmill("reshard", packed, "--out", out, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert products(out) == products(tmp_path / "undisturbed")
    assert temporary_files(out) == []
    assert sorted(path.name for path in packed.iterdir()) == before


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tars of more bytes than are read within a command: most are of files that are no images."""
    folder = tmp_path_factory.mktemp("many")
    size = READ_AT_ONCE // 12 + 1
    for number in range(12):
        images = ((f"{n}.jpg", encoded(n % 90)) for n in range(number * 20, number * 20 + 20))
        path = tar(folder / f"photos-{number}.tar", [*images, ("none.bin", bytes(size))])
        settle(path)
    return folder


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("step", ["OUT/.shardmill/read/*.json", "OUT/.shardmill/sources/*"])
def test_shards_that_are_read_first_give_the_same_bytes_after_a_kill(
    many: Path, tmp_path: Path, out: Path, chance: random.Random, step: str
) -> None:
    first = shardmill("reshard", many, "--out", tmp_path / "undisturbed", *OPTIONS)
    assert first.returncode == 0, first.stderr
    killed_at(step.replace("OUT", str(out)), chance, "reshard", many, "--out", out, *OPTIONS)
    before = {path: path.stat().st_ino for path in (out / ".shardmill/read").glob("*.json")}
    status = shardmill("status", out)
    assert status.returncode == 1
    last = shardmill("reshard", many, "--out", out, *OPTIONS, "--until", "plan")
    assert last.returncode == 0, last.stderr
    assert not [path for path in before if path.exists()]
    last = shardmill("reshard", many, "--out", out, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert products(out) == products(tmp_path / "undisturbed")
    assert temporary_files(out) == []
