"""The label map of TensorFlow's Object Detection API: ids, names and display names of classes.

Source: tensorflow/models, research/object_detection/protos/string_int_label_map.proto. An id is
what the records of the job have as the label of an object: the class's index in the label table and
their label offset, or 1 where no records ask for a map. 0 is that API's background.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from pipeline import digests
from pipeline.exports.base import Export, ExportPlan, ExportWork, SetView
from pipeline.exports.of_objects import class_names
from pipeline.manifest import Document
from pipeline.storage import StagedFile, below

VERSION = 1
_FILE: Final = "label_map.pbtxt"
_FIRST_ID: Final = 1


class LabelMap(Export):
    """The classes of the label table, for readers of detection labels."""

    name = "label-map"
    parts = ()

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the map."""
        del folder
        return (_FILE,)

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield that there is no table of classes, or that a label means background."""
        what = f"--export {self.name}"
        if data.table.refusal:
            yield f"{what} names classes, and {data.table.refusal}"
        if _offset(data) < _FIRST_ID:
            yield (
                f"{what} cannot name the label 0, which means background there:"
                f" leave it or --label-offset {_offset(data)} out"
            )

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the map."""
        offset = _offset(data)
        otherwise = {"label_offset": offset} if offset != _FIRST_ID else {}
        yield ExportPlan(
            kind="labelmap",
            files=(below(data.out, _FILE),),
            digest=digests.digest({"labels": data.table.digest, "version": VERSION, **otherwise}),
            made_of={"label offset": str(offset)} if otherwise else {},
        )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the map."""
        (file,) = staged
        names = class_names(work.data)
        for number, (class_id, name) in enumerate(
            zip(work.data.table.class_ids, names, strict=True), start=_offset(work.data)
        ):
            quoted = json.dumps(class_id), json.dumps(name, ensure_ascii=False)
            text = "item {{\n  name: {}\n  id: {}\n  display_name: {}\n}}\n"
            file.write(text.format(quoted[0], number, quoted[1]).encode())
        return {"rows": len(names)}


def _offset(data: SetView) -> int:
    """Return what an id is more than the index of its class."""
    shards = (each for split in data.splits.values() for each in split.shards)
    offsets = (each.label_map_offset for each in shards)
    return next((offset for offset in offsets if offset is not None), _FIRST_ID)
