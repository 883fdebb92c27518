"""ILSVRC2012 as an unpacked tree: its files become the same rows as an archive's members."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.classes import LabelTable
from pipeline.errors import InputRefused, TreeRefused
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.expectation import Expectation
from pipeline.sources.ilsvrc2012.member_names import image_numbers
from pipeline.sources.ilsvrc2012.solution import Solution, load_solution
from pipeline.sources.ilsvrc2012.tree_layout import (
    annotation_folder,
    find,
    find_or_none,
    solution_file,
)
from pipeline.sources.ilsvrc2012.tree_listing import TreeListing, scan

__all__ = [
    "Solution",
    "TreeListing",
    "annotation_folder",
    "find",
    "find_or_none",
    "read_solution",
    "rows",
    "scan",
]


def rows(
    listing: TreeListing,
    split: SplitConfig,
    table: LabelTable,
    expected: Expectation,
    solution: Solution | None,
    classes: tuple[str, ...] | None = None,
) -> pa.Table:
    """Return the images of a split that its folder holds.

    Args:
        listing: its files.
        split: its configuration.
        table: the label table.
        expected: what the split must hold.
        solution: what else knows the classes of a flat split's images.
        classes: the chosen WNIDs; None: all. With a choice, folders that are no class of the
            table are classes that were not chosen.

    Returns:
        Columns key, class_id, source (the path), offset (0), length, and number, which is 0 for
        splits of class tars, as `pipeline.sources.ilsvrc2012.rows.archive_rows` has them.

    Raises:
        TreeRefused: a folder is no class of the table, a file no image of the split, or it lies
            in the folder of another class.
        InputRefused: the solution says something else than the configuration.
    """
    files = listing.files
    synsets: pa.Array | pa.ChunkedArray = files["wnid"]
    numbers: Sequence[int] | npt.NDArray[np.int64] = np.zeros(files.num_rows, np.int64)
    if split.by_class:
        if classes is None:
            _check_classes(listing.folder, files, split, table)
    else:
        numbers = _numbers(files, split, expected)
        known = [expected.numbered[number - 1] for number in numbers]
        _check_folders(files, split, known)
        if solution is not None:
            _check_solution(files, split, known, solution)
        synsets = pa.array(known, pa.string())
    return pa.table(
        {
            "key": files["key"],
            "class_id": synsets,
            "source": files["path"],
            "offset": pa.array(np.zeros(files.num_rows, np.int64)),
            "length": files["size"],
            "number": pa.array(numbers, pa.int64()),
        }
    )


def read_solution(tree: Path) -> Solution | None:
    """Read the ``LOC_val_solution.csv`` in a tree, in its ILSVRC or beside it; None: there is none.

    Raises:
        BadAnnotation: it is malformed.
    """
    path = solution_file(tree)
    return None if path is None else load_solution(path)


def _check_classes(folder: str, files: pa.Table, split: SplitConfig, table: LabelTable) -> None:
    unknown = set(pc.unique(files["wnid"]).to_pylist()) - set(table.class_ids)
    if unknown:
        raise TreeRefused(
            f"split {split.name}: a folder that is no class",
            file="/".join(filter(None, (folder, min(unknown)))),
            expected=f"folders named after the WNIDs of {table.path}",
            found=", ".join(sorted(unknown)),
            remedy="move it away, or add the class to the label table",
        )


def _numbers(files: pa.Table, split: SplitConfig, expected: Expectation) -> list[int]:
    keys, numbers = files["key"].to_pylist(), dict[int, str]()
    found = image_numbers(split.member or "", keys)
    for key, path, number in zip(keys, files["path"].to_pylist(), found, strict=True):
        if not 1 <= number <= len(expected.numbered) or number in numbers:
            earlier = f", image {number} like {numbers[number]}" if number in numbers else ""
            raise TreeRefused(
                f"split {split.name}: a file that does not belong there",
                file=path,
                expected=f"{split.member} with a number from 1 to {len(expected.numbered)}, "
                "each once",
                found=f"{key}{earlier}",
                remedy="move it away, or correct `member` in the configuration",
            )
        numbers[number] = path
    return list(numbers)


def _check_folders(files: pa.Table, split: SplitConfig, classes: Sequence[str]) -> None:
    folders = files["wnid"].to_pylist()
    for place, (folder, wnid) in enumerate(zip(folders, classes, strict=True)):
        if folder not in {"", wnid}:
            raise TreeRefused(
                f"split {split.name}: an image lies in the folder of another class",
                file=files["path"][place].as_py(),
                expected=wnid or "no class folder: nobody knows the class of these images",
                found=folder,
                remedy=f"move it up, out of the folder{f', or into {wnid}' if wnid else ''}",
            )


def _check_solution(
    files: pa.Table, split: SplitConfig, classes: Sequence[str], solution: Solution
) -> None:
    for key, wnid in zip(files["key"].to_pylist(), classes, strict=True):
        answer = solution.answers.get(key.rpartition(".")[0])
        if answer is None or answer.wnid != wnid:
            raise InputRefused(
                f"split {split.name}: image {key} has another class than in the label list",
                file=str(solution.path),
                place=f"line {answer.line}" if answer else None,
                expected=wnid,
                found=answer.wnid if answer else "no line for it",
                remedy=f"correct that file or {split.labels}, or move that file away",
            )
