"""Reads a finished output by `pipeline.loaders.dali`, on the CPU; prints JSON.

Runs in DALI's environment, which has what the loader imports: ``loaders_dali.py OUT FORMAT``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy as np
from nvidia.dali import fn

from pipeline.errors import UsageError
from pipeline.loaders import dali

OUT, FORMAT = sys.argv[1:]
BATCH = 5


def opened(**given: Any) -> dali.Batches:
    return dali.dataset(OUT, "train", **{"batch_size": BATCH, "shard_format": FORMAT, **given})


def arrays(batch: dict[str, Any], name: str) -> list[Any]:
    return [np.array(tensor) for tensor in batch[name]]


def names(batch: dict[str, Any]) -> list[str]:
    return [array.tobytes().decode() for array in arrays(batch, "filename")]


def epochs(workers: int) -> list[list[list[str]]]:
    """Two epochs and the first again."""
    data, read = opened(decode=False, shuffle=True, seed=1, workers=workers), []
    for epoch in (0, 1, 0):
        data.set_epoch(epoch)
        read.append([names(batch) for batch in data])
    return read


def resumed(taken: int) -> list[list[str]]:
    """Some batches, and the rest of the epoch by another loader."""
    data, other = (opened(decode=False, shuffle=True, seed=1, world=(1, 2)) for _ in range(2))
    begun = iter(data)
    read = [names(next(begun)) for _ in range(taken)]
    other.load_state_dict(json.loads(json.dumps(data.state_dict())))
    return read + [names(batch) for batch in other]


def ended() -> list[list[list[str]]]:
    """What follows on the last batch of an epoch, and on its end, by this loader and another."""
    data, others = opened(decode=False, shuffle=True, seed=1), []
    for read in (20, 21):  # batches; there are 20
        other, begun = opened(decode=False, shuffle=True, seed=1), iter(data)
        data.set_epoch(0)
        for _ in range(read):
            next(begun, None)
        other.load_state_dict(json.loads(json.dumps(data.state_dict())))
        others.append([names(batch) for batch in other])
    return [*others, [names(batch) for batch in data]]


def of_workers() -> str:
    """What is said of a state of torch's workers, and of one that is too far."""
    data, said = opened(decode=False), []
    for taken in ([0, 0], [97]):
        try:
            data.load_state_dict({**data.state_dict(), "taken": taken})
        except UsageError as error:
            said.append(error.what)
    return "; ".join(said)


def hosts() -> list[list[str]]:
    """What each of two hosts with three workers reads."""
    return [
        [
            name
            for batch in opened(decode=False, shuffle=True, seed=1, world=(rank, 2), workers=3)
            for name in names(batch)
        ]
        for rank in range(2)
    ]


def facts() -> list[list[Any]]:
    """Name, shape of the image, types, label, boxes and their labels of each image."""
    rows = []
    for batch in opened():
        listed = {name: arrays(batch, name) for name in batch}
        for at, name in enumerate(names(batch)):
            one = {key: value[at] for key, value in listed.items() if key != "filename"}
            types = {key: f"{array.dtype}{array.ndim}" for key, array in one.items()}
            boxes = [one["bbox"].tolist(), one["bbox_label"].tolist()]
            rows.append([name, list(one["image"].shape), types, one["label"].tolist(), *boxes])
    return rows


def stored() -> list[str]:
    """SHA-256 of each image as it is stored, in batches of different sizes in bytes."""
    return [
        hashlib.sha256(array.tobytes()).hexdigest()
        for batch in opened(decode=False)
        for array in arrays(batch, "encoded")
    ]


def kept() -> bool:
    """Whether batches that are kept stay what they were, when the pipeline is gone, too."""
    for size, workers in ((1, 0), (BATCH, 0), (BATCH, 2)):
        batches = list(opened(decode=False, batch_size=size, workers=workers))
        images = [array.tobytes() for batch in batches for array in arrays(batch, "encoded")]
        read = opened(decode=False, batch_size=size)
        if images != [array.tobytes() for batch in read for array in arrays(batch, "encoded")]:
            return False
    return True


def refused() -> str:
    try:
        dali.dataset(OUT, "val", batch_size=1)
    except UsageError as error:
        return error.what
    return ""


def cropped(nodes: dict[str, Any]) -> dict[str, Any]:
    return {"image": fn.crop(nodes["image"], crop=(8, 8)), "label": nodes["label"]}


if __name__ == "__main__":
    found = {
        "epochs": epochs(0),
        "by workers": epochs(2),
        "resumed": [resumed(taken) for taken in (0, 1, 6)],
        "ended": ended(),
        "of workers": of_workers(),
        "hosts": hosts(),
        "facts": facts(),
        "stored": stored(),
        "kept": kept(),
        "refused": refused(),
        "transformed": [
            list(batch["image"].as_array().shape) for batch in opened(transform=cropped)
        ],
    }
    json.dump(found, sys.stdout)
