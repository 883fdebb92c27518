"""Opens a folder of class folders with torchvision's `ImageFolder`; prints JSON.

Runs in an environment of its own, without shardmill: ``read_imagefolder.py ROOT``. The result is
``{"length": N, "classes": [...], "class_to_idx": {...}, "samples": [...]}``, a sample being [path
relative to ROOT, target, [width, height] as decoded], in the order of the data set.

torch, a gigabyte, is not installed. `ImageFolder` needs its name alone: the base class of a data
set. So empty packages stand in for torch and for torchvision's ``__init__`` files, which import
all of it, and Python finds ``datasets/folder.py`` and ``datasets/vision.py`` as they are released.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

Sample = TypeVar("Sample")


class Dataset(Generic[Sample]):
    """What `torch.utils.data.Dataset` is to a data set that is asked for one sample at a time."""


def stand_in(name: str, folder: Path | None = None, **content: object) -> None:
    """Put a package in the place of one; its modules are looked for in `folder`."""
    package = ModuleType(name)
    package.__path__ = [] if folder is None else [str(folder)]
    vars(package).update(content)
    sys.modules[name] = package


def image_folder() -> Any:
    """Return torchvision's own `ImageFolder`."""
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        sys.exit("torchvision is not installed")
    torchvision = Path(found.submodule_search_locations[0])
    stand_in("torch")
    stand_in("torch.utils")
    stand_in("torch.utils.data", Dataset=Dataset)
    stand_in("torchvision", torchvision, get_image_backend=lambda: "PIL")  # its default
    stand_in("torchvision.utils", _log_api_usage_once=lambda _: None)
    stand_in("torchvision.datasets", torchvision / "datasets")
    return importlib.import_module("torchvision.datasets.folder").ImageFolder


def main() -> None:
    """Decode every sample of the data set."""
    root = Path(sys.argv[1])
    dataset = image_folder()(root)
    samples = []
    for number, (path, _) in enumerate(dataset.samples):
        image, target = dataset[number]
        samples.append([str(Path(path).relative_to(root)), target, list(image.size)])
    found = {
        "length": len(dataset),
        "classes": dataset.classes,
        "class_to_idx": dataset.class_to_idx,
        "samples": samples,
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
