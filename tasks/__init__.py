"""The steps as Luigi tasks: ``luigi --module tasks PrepareImageNet --raw RAW --out OUT``.

A task holds parameters, calls `pipeline`, and publishes; what it means to do a step is said
there.
"""

from tasks.annotations import WriteBoxes
from tasks.archives import CheckInputs, VerifyArchive
from tasks.datasets import MakeProducts
from tasks.lists import BuildCatalog, BuildPlan, CheckLabels, WriteLabels, WriteList
from tasks.roots import (
    BoundingBoxes,
    ExtractTrain,
    ImageList,
    PrepareImageList,
    PrepareImageNet,
    ReorganiseValidation,
    VerifyArchives,
)
from tasks.shards import SetCurrent, WriteManifest, WriteShards
from tasks.trees import ExtractClasses, ExtractTree

__all__ = [
    "BoundingBoxes",
    "BuildCatalog",
    "BuildPlan",
    "CheckInputs",
    "CheckLabels",
    "ExtractClasses",
    "ExtractTrain",
    "ExtractTree",
    "ImageList",
    "MakeProducts",
    "PrepareImageList",
    "PrepareImageNet",
    "ReorganiseValidation",
    "SetCurrent",
    "VerifyArchive",
    "VerifyArchives",
    "WriteBoxes",
    "WriteLabels",
    "WriteList",
    "WriteManifest",
    "WriteShards",
]
