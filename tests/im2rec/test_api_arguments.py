"""Arguments of the function as people give them, and names of its outputs that do not collide."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packing import list_all, names, read, tiny_set, write_list

from pipeline.errors import OutputConflict, UsageError
from pipeline.im2rec import Compose, Normalize, Resize, ToTensor, im2rec, transforms
from pipeline.im2rec.result import Packed
from pipeline.images.raster import Pixels
from pipeline.images.transforms import BuiltIn


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tiny_set(tmp_path)


@pytest.fixture
def call(root: Path) -> Callable[..., Packed]:
    """The function, given a list of all images and some arguments."""
    listing = list_all(root)

    def called(**arguments: Any) -> Packed:
        return im2rec(listing, "out", **{"root": root, "num_workers": 1, **arguments})

    return called


def test_the_document_s_own_example_runs(root: Path, call: Callable[..., Packed]) -> None:
    chain = transforms.Compose(
        [transforms.Resize(300), transforms.ToTensor(), transforms.Normalize(0, 1)]
    )
    made = call(transformations=chain, num_workers=2).targets.records.read_bytes()
    assert made == call(transformations=[Resize(300)]).targets.records.read_bytes()
    assert made == call(transformations=[Resize(300), ToTensor()]).targets.records.read_bytes()


@pytest.mark.parametrize("mean", [0, 0.0, (0, 0, 0), [0.0, 0.0, 0.0], np.zeros(3)])
def test_a_normalisation_that_changes_nothing_leaves_the_pixels(mean: Any) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    chain = Compose([ToTensor(), Normalize(mean, 1)])
    assert (chain(pixels) == pixels).all()
    assert isinstance(chain, BuiltIn)


@pytest.mark.parametrize(
    ("mean", "std"), [(0.5, 1), (0, 255), ((0, 0, 0.1), 1), ("0", 2), (None, 1), (np.ones(3), 1)]
)
def test_a_normalisation_that_changes_values_is_refused(mean: Any, std: Any) -> None:
    with pytest.raises(UsageError, match="cannot be stored in an image") as refusal:
        Normalize(mean, std)
    assert "leave Normalize to the program that trains" in str(refusal.value.remedy)


def negative(pixels: Pixels) -> Pixels:
    return 255 - pixels


@pytest.mark.parametrize(
    "chain",
    [
        [ToTensor(), Resize(9)],
        [ToTensor(), negative],
        [Normalize(0, 1), ToTensor(), Compose([Resize(9)])],
        [Compose([Resize(9), ToTensor()]), negative],
    ],
)
def test_nothing_follows_the_tensor(call: Callable[..., Packed], chain: list[Any]) -> None:
    with pytest.raises(UsageError, match="Compose cannot be made"):
        call(transformations=chain)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality", 95.0),
        ("quality", np.float32(95)),
        ("quality", np.int64(95)),
        ("error_limit", np.uint8(3)),
        ("num_workers", 2.0),
        ("batch_size", 4096.0),
        ("color", 1.0),
        ("pack_labels", 1),
        ("pass_through", np.bool_(False)),
        ("transcode", 0),
    ],
)
def test_a_value_that_can_only_mean_one_thing_is_taken(
    call: Callable[..., Packed], name: str, value: Any
) -> None:
    expected = call().targets.records.read_bytes()
    assert call(**{name: value}).targets.records.read_bytes() == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality", 95.5),
        ("quality", "95"),
        ("quality", True),
        ("quality", None),
        ("quality", float("nan")),
        ("error_limit", "3"),
        ("error_limit", 0.5),
        ("num_workers", "4"),
        ("num_workers", -1),
        ("batch_size", [4096]),
        ("batch_size", 0),
        ("color", "1"),
        ("color", 2),
        ("encoding", "jpg"),
        ("encoding", None),
        ("pack_labels", "no"),
        ("pack_labels", None),
        ("pass_through", "False"),
        ("transcode", 2),
        ("engine", None),
        ("orientation", 6),
        ("root", None),
        ("root", b"images"),
        ("root", "s3://bucket/images"),
        ("transformations", "resize"),
        ("transformations", [Resize]),
        ("transformations", {"resize": 3}),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name(
    call: Callable[..., Packed], tmp_path: Path, name: str, value: Any
) -> None:
    with pytest.raises(UsageError) as refusal:
        call(**{name: value})
    assert not (tmp_path / "out").exists()
    assert refusal.value.expected or refusal.value.remedy


def in_a_pool(folder: str) -> bytes:
    packed = im2rec(f"{folder}/a.lst", f"{folder}/pooled", root=f"{folder}/images", num_workers=2)
    return packed.targets.records.read_bytes()


def test_it_works_inside_a_pool(call: Callable[..., Packed], tmp_path: Path) -> None:
    expected = call().targets.records.read_bytes()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.map(in_a_pool, [str(tmp_path)]) == [expected]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("images.v1.train.lst", "images.v1.val.lst"),
        ("images.train", "images.lst"),
        ("a.b.txt", "a.lst"),
    ],
)
def test_lists_of_two_names_make_two_outputs(root: Path, one: str, other: str) -> None:
    for number, name in enumerate((one, other)):
        write_list(Path(name), [(number, 0, f"{number}.jpg")])
    made = [Path(name).stem for name in (one, other)]
    with contextlib.suppress(OutputConflict):
        for name in (one, other):
            im2rec(name, "o", root=root, num_workers=1)
    kept = [record.id for stem in dict.fromkeys(made) for record in read(Path(f"o/{stem}.rec"))]
    assert kept == ([0, 1] if made[0] != made[1] else [0])


def test_an_output_of_another_list_is_not_replaced(root: Path) -> None:
    write_list(Path("a.lst"), [(0, 0, "0.jpg")])
    write_list(Path("a.txt"), [(1, 0, "1.jpg")])
    im2rec("a.lst", "o", root=root)
    with pytest.raises(OutputConflict, match="not replaced") as refusal:
        im2rec("a.txt", "o", root=root)
    assert (refusal.value.expected, refusal.value.found) == ("one of a.txt", "one of a.lst")
    write_list(Path("a.lst"), [(2, 0, "2.jpg"), (0, 0, "0.jpg")])
    im2rec("a.lst", "o", root=root)  # the same list, corrected: packed anew
    assert [record.id for record in read(Path("o/a.rec"))] == [2, 0]


def test_a_list_of_the_user_s_is_never_taken_for_the_list_of_what_was_packed(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "lists").mkdir()
    write_list(tmp_path / "lists" / "a.lst", [(0, 0, "0.jpg")])
    own = write_list(tmp_path / "a.lst", [(1, 0, "1.jpg")]).read_bytes()
    for _ in range(2):
        packed = im2rec("lists/a.lst", tmp_path, root=root)
        assert packed.targets.listing == tmp_path / "a-copy.lst"
    assert (tmp_path / "a.lst").read_bytes() == own
    for _ in range(2):
        assert im2rec("lists/a.lst", "o", root=root).targets.listing == tmp_path / "o" / "a.lst"
    assert names(tmp_path / "o") == {"a.rec", "a.idx", "a.lst", "a.manifest.json"}
