"""The steps as Luigi tasks: ``luigi --module tasks PrepareImageNet --raw RAW --out OUT``.

A task holds parameters, calls `pipeline`, and publishes; what it means to do a step is said
there.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

# Arrow's other pools keep what was freed. It reads this when it is imported, which is later.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

# Luigi's own command looks here for tasks; commands that need no Luigi do not wait for it.
if TYPE_CHECKING or "luigi" in sys.modules:
    from tasks.annotations import WriteBoxes
    from tasks.archives import CheckInputs, VerifyArchive
    from tasks.class_tables import WriteClasses
    from tasks.elsewhere import PrepareElsewhere, WriteShardsElsewhere
    from tasks.exports import WriteExport
    from tasks.fetch import FetchArchive, FetchArchives
    from tasks.lists import BuildCatalog, BuildPlan, CheckLabels, KeepTerms
    from tasks.openimages.collect import CollectOpenImages, CollectSplit
    from tasks.openimages.files import CollectImages, CollectMasks, ResizeMasks
    from tasks.openimages.metadata import FetchMetadata
    from tasks.openimages.roots import (
        OpenImagesFiles,
        OpenImagesMasks,
        OpenImagesMetadata,
        PrepareOpenImages,
        SelectOpenImages,
    )
    from tasks.openimages.select import SelectSplit, WriteRecipe
    from tasks.parts import WritePart
    from tasks.prepare import Prepare
    from tasks.roots import (
        BoundingBoxes,
        ExtractTrain,
        ImageList,
        PrepareImageList,
        PrepareImageNet,
        PrepareShards,
        ReorganiseValidation,
        VerifyArchives,
    )
    from tasks.run import plainlogs
    from tasks.segments import FindSegmentRows, SortSegment
    from tasks.shards import SetCurrent, WriteManifest, WriteShards
    from tasks.trees import ChangeClasses, ChangeTree, ExtractClasses, ExtractTree

    plainlogs.install()

__all__ = [
    "BoundingBoxes",
    "BuildCatalog",
    "BuildPlan",
    "ChangeClasses",
    "ChangeTree",
    "CheckInputs",
    "CheckLabels",
    "CollectImages",
    "CollectMasks",
    "CollectOpenImages",
    "CollectSplit",
    "ExtractClasses",
    "ExtractTrain",
    "ExtractTree",
    "FetchArchive",
    "FetchArchives",
    "FetchMetadata",
    "FindSegmentRows",
    "ImageList",
    "KeepTerms",
    "OpenImagesFiles",
    "OpenImagesMasks",
    "OpenImagesMetadata",
    "Prepare",
    "PrepareElsewhere",
    "PrepareImageList",
    "PrepareImageNet",
    "PrepareOpenImages",
    "PrepareShards",
    "ReorganiseValidation",
    "ResizeMasks",
    "SelectOpenImages",
    "SelectSplit",
    "SetCurrent",
    "SortSegment",
    "VerifyArchive",
    "VerifyArchives",
    "WriteBoxes",
    "WriteClasses",
    "WriteExport",
    "WriteManifest",
    "WritePart",
    "WriteRecipe",
    "WriteShards",
    "WriteShardsElsewhere",
]
_MODULES = (
    *("annotations", "archives", "class_tables", "elsewhere", "exports", "fetch", "lists"),
    *("parts", "prepare", "roots", "segments", "shards", "trees"),
    *(f"openimages.{each}" for each in ("collect", "files", "metadata", "roots", "select")),
)


def __getattr__(name: str) -> object:
    """Return a task by its name, which imports Luigi."""
    if name in __all__:
        for module in map(import_module, (f"tasks.{each}" for each in _MODULES)):
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
