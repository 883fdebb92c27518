"""The steps as Luigi tasks: ``luigi --module tasks PrepareImageNet --raw RAW --out OUT``.

A task holds parameters, calls `pipeline`, and publishes; what it means to do a step is said
there.
"""

from tasks.archives import CheckInputs, VerifyArchive
from tasks.datasets import PrepareImageNet
from tasks.lists import BuildCatalog, BuildPlan
from tasks.shards import SetCurrent, WriteManifest, WriteShard

__all__ = [
    "BuildCatalog",
    "BuildPlan",
    "CheckInputs",
    "PrepareImageNet",
    "SetCurrent",
    "VerifyArchive",
    "WriteManifest",
    "WriteShard",
]
