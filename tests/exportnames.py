"""Which exports there are, and which of them can be made of data sets without boxes."""

from __future__ import annotations

from typing import Final

from pipeline.exports import registry
from pipeline.exports.of_objects import ExportOfObjects

OF_BOXES: Final = tuple(
    name
    for name, export in registry.EXPORTS.items()
    if isinstance(export, ExportOfObjects) and not export.needs_masks
)
"""Those that describe objects, which a data set without boxes is refused for."""
_OF_MASKS: Final = {name for name, export in registry.EXPORTS.items() if export.needs_masks}
_OF_SOME_SOURCES: Final = {"attribution", "class-tree"}
OF_ALL_SETS: Final = tuple(
    name
    for name in registry.EXPORTS
    if name not in {*OF_BOXES, *_OF_MASKS, *_OF_SOME_SOURCES, "label-map", "dataset-card"}
)
"""Those of every data set that has classes."""
