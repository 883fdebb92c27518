"""The label map of TensorFlow's Object Detection API: ids, names and display names of classes.

Source: tensorflow/models, research/object_detection/protos/string_int_label_map.proto. An id is
the class's index in the label table and 1: 0 is that API's background.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from pipeline import digests
from pipeline.exports.base import Export, ExportPlan, ExportWork, SetView
from pipeline.exports.of_objects import class_names
from pipeline.manifest import Document
from pipeline.storage import StagedFile, below

VERSION = 1
_FILE = "label_map.pbtxt"


class LabelMap(Export):
    """The classes of the label table, for readers of detection labels."""

    name = "label-map"
    parts = ()

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the map."""
        del folder
        return (_FILE,)

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield that the classes have no names."""
        if not data.table.class_ids:
            what = f"--export {self.name} names classes"
            yield f"{what}, and those of this data set have no names: leave it out"

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the map."""
        yield ExportPlan(
            kind="labelmap",
            files=(below(data.out, _FILE),),
            digest=digests.digest({"labels": data.table.digest, "version": VERSION}),
        )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the map."""
        (file,) = staged
        names = class_names(work.data)
        for number, (class_id, name) in enumerate(
            zip(work.data.table.class_ids, names, strict=True), start=1
        ):
            quoted = json.dumps(class_id), json.dumps(name, ensure_ascii=False)
            text = "item {{\n  name: {}\n  id: {}\n  display_name: {}\n}}\n"
            file.write(text.format(quoted[0], number, quoted[1]).encode())
        return {"rows": len(names)}
