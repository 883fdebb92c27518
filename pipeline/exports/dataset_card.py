"""The dataset card of shards that Hugging Face's `datasets` reads: which files are which split.

It lies beside the folders of the splits, so that ``load_dataset("OUT/hf-parquet")`` finds all of
them, there and once they are uploaded; there, links such as ``current`` are no files, so a split's
files are those in the folder of its digest. Splits with the same columns are one configuration.

Source: huggingface/hub-docs, datasetcard.md; `DatasetInfo` of huggingface/datasets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline import digests, manifest, paths
from pipeline.documents.outputs import Counts, OutputManifest
from pipeline.errors import OutputDamaged
from pipeline.exports.base import Export, ExportPlan, ExportWork, Need, SetView, ShardSet, What
from pipeline.manifest import Document
from pipeline.storage import StagedFile, below

VERSION = 1
_FILE: Final = "hf-parquet/README.md"
_MARK: Final = "---\n"
_NO_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON leaves as it is, and YAML does not take or takes for the end of a line."""
_IMAGE: Final = "Image"
_TEXT: Final = """
# {name}

Prepared by shardmill, which can verify these files and make them again from their source. A label
of -1 is that of an image whose class nobody knows. A box in `objects.bbox` is x, y, width and
height in pixels, as COCO has them.

```python
from datasets import load_dataset

dataset = load_dataset("{folder}")
```
"""


class DatasetCard(Export):
    """The card of all splits, with their files, columns and sizes."""

    name = "dataset-card"
    parts = ("images", "boxes", "shards")
    of_images = True
    keeps_splits = True

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the card."""
        del folder
        return (_FILE,)

    def refusals(self, data: SetView) -> Iterator[str]:
        """Yield that there are no such shards."""
        if not _sets(data):
            yield (
                f"--export {self.name} is of shards that Hugging Face's datasets reads:"
                " add --format hf-parquet, or leave the export out"
            )

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the card."""
        made_of = [[name, shards.digest] for name, shards in _sets(data).items()]
        yield ExportPlan(
            kind="datasetcard",
            files=(below(data.out, _FILE),),
            digest=digests.digest({"name": data.name, "splits": made_of, "version": VERSION}),
            needs=tuple(Need(What.OUTPUTS, name) for name in data.splits),
        )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the card; the numbers in it are those of the manifests."""
        (file,) = staged
        sets = _sets(work.data)
        counts = {name: _counts(shards) for name, shards in sets.items()}
        file.write(card(work.data.name, _FILE.partition("/")[0], sets, counts).encode())
        return {"rows": len(sets)}


def card(name: str, folder: str, sets: Mapping[str, ShardSet], counts: Mapping[str, Counts]) -> str:
    """Return a card.

    Args:
        name: of the data set.
        folder: of the card.
        sets: the shards of each split, by its name.
        counts: what there is of each.
    """
    groups: dict[str, list[str]] = {}
    for split, shards in sets.items():
        groups.setdefault(shards.features, []).append(split)
    configs, infos = [], []
    for number, (features, splits) in enumerate(groups.items()):
        config = splits[0] if number else "default"
        configs.append({"config_name": config, "data_files": [_files(sets, s) for s in splits]})
        infos.append(
            {
                "config_name": config,
                "features": columns(json.loads(features)["info"]["features"]),
                "splits": [
                    {
                        "name": split,
                        "num_bytes": counts[split].bytes,
                        "num_examples": counts[split].records,
                    }
                    for split in splits
                ],
                "download_size": sum(counts[split].bytes for split in splits),
                "dataset_size": sum(counts[split].bytes for split in splits),
            }
        )
    # JSON is YAML: a line for each key can be read, and needs no rules of quoting of its own.
    parts = {"pretty_name": name, "configs": configs, "dataset_info": infos}
    lines = (f"{key}: {as_yaml(part)}\n" for key, part in parts.items())
    text = _TEXT.format(name=name, folder=f"OUT/{folder}")
    return f"{_MARK}{''.join(lines)}{_MARK}{text}"


def as_yaml(part: object) -> str:
    """Return a value as a line of JSON that YAML reads as the same value."""
    text = json.dumps(part, ensure_ascii=False)
    return _NO_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def columns(features: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return features as a card has them, from the JSON of those in a shard."""
    return [_column(name, feature) for name, feature in features.items()]


def _column(name: str, feature: Mapping[str, Any]) -> dict[str, Any]:
    form = _form(feature)
    plain = isinstance(form, str) or "class_label" in form
    return {"name": name, **({"dtype": form} if plain else form)}


def _form(feature: Mapping[str, Any]) -> Any:
    kind = feature.get("_type")
    if kind is None:
        return {"struct": columns(feature)}
    if kind == "ClassLabel":
        return {"class_label": {"names": dict(enumerate(feature["names"]))}}
    if "feature" in feature:
        length = {"length": feature["length"]} if feature["length"] >= 0 else {}
        return {"sequence": _form(feature["feature"]), **length}
    return kind.lower() if kind == _IMAGE else feature["dtype"]


def _sets(data: SetView) -> dict[str, ShardSet]:
    """Return the shards of each split that `datasets` reads."""
    every = ((name, each) for name, split in data.splits.items() for each in split.shards)
    return {name: each for name, each in every if each.features}


def _files(sets: Mapping[str, ShardSet], split: str) -> dict[str, str]:
    return {"split": split, "path": f"{split}/{sets[split].digest}/{split}-*.parquet"}


def _counts(shards: ShardSet) -> Counts:
    place = paths.manifest(shards.folder)
    found = manifest.read_whole(place, OutputManifest)
    if found is None:
        raise OutputDamaged("the manifest is gone", file=str(place))
    return found.counts
