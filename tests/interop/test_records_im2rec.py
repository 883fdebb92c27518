"""MXNet's own im2rec.py packs the same lists of the same images into the same bytes."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image
from support import ROOT, command, mini_source

from pipeline.images.orientation import with_orientation
from pipeline.sample.shapes import Encoding, draw_image

PYTHON = os.environ.get("SHARDMILL_MXNET_PYTHON", str(ROOT / ".venv-mxnet/bin/python"))
FIND = """
import importlib.util
for name in ("mxnet", "cv2"):
    print(importlib.util.find_spec(name).submodule_search_locations[0])
"""
pytestmark = pytest.mark.skipif(
    not Path(PYTHON).exists(), reason="MXNet 1.9.1 lives in an environment of its own: make interop"
)
KINDS: tuple[Encoding, ...] = ("usual", "gray", "progressive", "full-chroma", "cmyk", "png")
ODD_SIZES = ((1, 1), (7, 300), (301, 5), (99, 99), (64, 65))
REAL = 40


@pytest.fixture(scope="module")
def packages() -> tuple[Path, Path]:
    """Where MXNet and its OpenCV lie."""
    run = subprocess.run([PYTHON, "-c", FIND], capture_output=True, text=True, check=True)
    mxnet, cv2 = map(Path, run.stdout.split("\n")[:2])
    return mxnet, cv2


@pytest.fixture(scope="module")
def im2rec(packages: tuple[Path, Path]) -> list[str]:
    """What runs the program."""
    return [PYTHON, str(packages[0] / "tools" / "im2rec.py")]


@pytest.fixture(scope="module")
def with_opencv(
    packages: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """An environment in which this program has the same OpenCV, and no more, of MXNet's."""
    folder = tmp_path_factory.mktemp("opencv")
    libraries = "opencv_python_headless.libs"
    (folder / "cv2").symlink_to(packages[1])
    (folder / libraries).symlink_to(packages[1].with_name(libraries))
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of every kind, of odd sizes, lying turned, in folders."""
    folder = tmp_path_factory.mktemp("drawn")
    chance = random.Random(0)
    for number, kind in enumerate(KINDS * 3):
        data = draw_image(chance, "n01440764", "tench", encoding=kind).encoded
        path = folder / f"class {number % 3}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    for size in ODD_SIZES:
        output = io.BytesIO()
        noise = Image.frombytes("RGB", size, chance.randbytes(3 * size[0] * size[1]))
        noise.save(output, "JPEG")
        (folder / f"{size[0]}x{size[1]}.jpeg").write_bytes(output.getvalue())
    upright = draw_image(chance, "n01440764", "tench").encoded
    for orientation in range(2, 9):
        turned = with_orientation(upright, "JPEG", orientation)
        (folder / f"turned-{orientation}.jpg").write_bytes(turned)
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real images of the mini set."""
    source = mini_source()
    if source is None:
        pytest.skip("the real images are not here: set SHARDMILL_TEST_DATA")
    folder = tmp_path_factory.mktemp("real")
    with tarfile.open(source / "ILSVRC2012_img_val.tar") as tar:
        for member in [member for member in tar if member.isfile()][:REAL]:
            file = tar.extractfile(member)
            assert file is not None
            (folder / Path(member.name).name).write_bytes(file.read())
    return folder


def listed(root: Path, folder: Path, *, labels: int = 1, packed: bool = False) -> str:
    """Write a list of images; return its prefix.

    Args:
        root: where they lie.
        folder: where the list goes.
        labels: the most labels of an image.
        packed: whether all labels will be stored; then each image has as many, since MXNet ends at
            the first that has another number.
    """
    paths = sorted(path for path in root.rglob("*.*") if path.is_file())
    random.Random(1).shuffle(paths)
    folder.mkdir()
    with (folder / "set.lst").open("w") as file:
        for number, path in enumerate(paths):
            count = labels if packed else 1 + number % labels
            fields = [3 * number, *(f"{number + place / 3:.6f}" for place in range(count))]
            print(*fields, path.relative_to(root), sep="\t", file=file)
    return str(folder / "set")


def theirs(im2rec: list[str], *arguments: str) -> None:
    run = subprocess.run([*im2rec, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "Error" not in run.stdout + run.stderr


def ours(*arguments: str, env: Mapping[str, str] | None = None) -> None:
    run = subprocess.run(
        command("im2rec", *arguments), capture_output=True, text=True, check=False, env=env
    )
    assert run.returncode == 0, run.stderr


def check_same(folder: Path, other: Path) -> None:
    for name in ("set.idx", "set.rec"):
        assert (folder / name).stat().st_size > 0
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize(("labels", "flags"), [(1, []), (3, []), (3, ["--pack-label"])])
def test_what_is_passed_through_is_the_same(
    im2rec: list[str], root: Path, tmp_path: Path, labels: int, flags: list[str], threads: str
) -> None:
    packed = "--pack-label" in flags
    lists = (listed(root, tmp_path / name, labels=labels, packed=packed) for name in ("a", "b"))
    one, other = lists
    same = [str(root), "--pass-through", "--num-thread", threads, *flags]
    theirs(im2rec, one, *same)
    ours(other, *same)
    check_same(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "--resize 64 --num-thread 2",
        "--resize 600 --quality 40",
        "--center-crop",
        "--center-crop --resize 330 --quality 100 --pack-label",
        "--color 0 --resize 64",
        "--color -1 --resize 64",
        "--color -1 --center-crop --encoding .png --quality 3",
        "--encoding .png --resize 50",
    ],
)
def test_what_opencv_encodes_is_the_same(
    im2rec: list[str], with_opencv: Mapping[str, str], root: Path, tmp_path: Path, flags: str
) -> None:
    packed = "--pack-label" in flags
    one, other = (listed(root, tmp_path / name, labels=2, packed=packed) for name in ("a", "b"))
    theirs(im2rec, one, str(root), *flags.split())
    ours(other, str(root), "--engine", "opencv", *flags.split(), env=with_opencv)
    check_same(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("flags", ["--pass-through", "--resize 256 --num-thread 2", "--color 0"])
def test_real_images_are_packed_into_the_same_bytes(
    im2rec: list[str], with_opencv: Mapping[str, str], real: Path, tmp_path: Path, flags: str
) -> None:
    one, other = (listed(real, tmp_path / name) for name in ("a", "b"))
    theirs(im2rec, one, str(real), *flags.split())
    ours(other, str(real), "--engine", "opencv", *flags.split(), env=with_opencv)
    check_same(tmp_path / "a", tmp_path / "b")
