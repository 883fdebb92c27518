"""Parquet and packed tars whose resharding dies at once, also while they are unpacked."""

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
from support import command, products, shardmill, temporary_files

from pipeline import storage

OPTIONS = ("--format", "tfrecord,webdataset,mds", "--shards", 24, "--resize", 32)
STEPS = ("OUT/.shardmill/catalogs/*", "OUT/.shardmill/shards/*", "UNPACKED/*")


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
    arguments = command("reshard", photos, "--out", out, *OPTIONS, "--workers", 2)
    started = psutil.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while started.poll() is None and not any(Path("/").glob(begun.lstrip("/"))):
        time.sleep(0.0005)
    time.sleep(chance.uniform(0, 0.05))
    processes = [started, *started.children(recursive=True)]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes)
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
    arguments = command("reshard", packed, "--out", out, *OPTIONS, "--workers", 2)
    started = psutil.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while started.poll() is None and not any(Path("/").glob(begun.lstrip("/"))):
        time.sleep(0.0005)
    time.sleep(chance.uniform(0, 0.05))
    processes = [started, *started.children(recursive=True)]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes)
    last = shardmill("reshard", packed, "--out", out, *OPTIONS)
    assert last.returncode == 0, last.stderr
    assert products(out) == products(tmp_path / "undisturbed")
    assert temporary_files(out) == []
    assert sorted(path.name for path in packed.iterdir()) == before
