"""Reads an output with wids' `ShardListDataset`, from its last sample to its first; prints JSON.

Runs in an environment of its own, without shardmill: ``read_wids.py INDEX CACHE``, CACHE being a
folder that shards are copied to. The result is a list of [``__key__``, extension of the image,
its SHA-256, class index, facts], in the order of the index.

torch, a gigabyte, is not installed: wids imports it, but one process does nothing with it. So
empty modules stand in for it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from types import ModuleType
from typing import Any


def stand_in(name: str, **content: object) -> None:
    """Put an empty module in the place of one."""
    module = ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module


def row(sample: dict[str, Any]) -> list[Any]:
    """Return what is printed of a sample; wids keeps the dot of an extension."""
    (extension,) = {".jpg", ".png"} & set(sample)
    digest = hashlib.sha256(sample[extension].read()).hexdigest()
    facts = json.load(sample[".json"])
    return [sample["__key__"], extension[1:], digest, int(sample[".cls"].read()), facts]


def main() -> None:
    """Read every sample of the output."""
    stand_in("torch")
    stand_in("torch.distributed")
    stand_in("torch.utils")
    stand_in("torch.utils.data", Dataset=list, Sampler=object)
    wids = importlib.import_module("wids")
    dataset = wids.ShardListDataset(sys.argv[1], cache_dir=sys.argv[2], transformations=[])
    backwards = [row(dataset[at]) for at in reversed(range(len(dataset)))]
    json.dump(backwards[::-1], sys.stdout)


if __name__ == "__main__":
    main()
