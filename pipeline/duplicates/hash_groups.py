"""Which hashes of an output are kept together, and where: named by what decides them.

::

    OUT/.shardmill/hashes/<split>/<digest>.arrow    the hashes of a group of shards
    OUT/.shardmill/hashes/<split>/<digest>.json     their mark

No digest of a page is in a name: another page, or a later release of it, finds the same hashes, and
so does an output that images were appended to, of the shards that it had before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline import digests, paths
from pipeline.documents.outputs import OutputManifest
from pipeline.duplicates.perceptual_hash import VERSION
from pipeline.formats.registry import ALL
from pipeline.images import codec
from pipeline.storage import Where, below

FOLDER: Final = "hashes"
"""In the folder of the state."""
GROUP: Final = 4
"""Shards that one task hashes."""


@dataclass(frozen=True)
class HashGroup:
    """Some shards of an output whose images are hashed together.

    Attributes:
        split: name of the split.
        number: 0-based number of the group.
        images: how many there are, by the manifest.
        digest: of what decides their hashes: the bytes of the shards, the kind of hash, and what
            decodes images.
    """

    split: str
    number: int
    images: int
    digest: str

    @property
    def first_shard(self) -> int:
        """The 0-based number of its first shard."""
        return self.number * GROUP


def hash_groups(document: OutputManifest | None) -> list[HashGroup]:
    """Return the groups of an output, of its manifest; none where it has no shards to read.

    Raises:
        EnvironmentRefused: nothing is installed that decodes images.
    """
    if document is None or not ALL[document.format].holds_images:
        return []
    hashes = {each.file: each.xxh3_128 for each in document.files}
    groups = []
    for number, first in enumerate(range(0, len(document.shards), GROUP)):
        shards = document.shards[first : first + GROUP]
        digest = digests.digest(
            {
                "perceptual hash": VERSION,
                "decoder": codec.identity(),
                "group": number,
                "shards": [[each.records, hashes.get(each.file or "", "")] for each in shards],
            }
        )
        images = sum(each.records for each in shards)
        groups.append(HashGroup(document.split, number, images, digest))
    return groups


def folder(out: Where) -> Where:
    """The folder of all hashes."""
    return below(paths.state(out), FOLDER)


def table(out: Where, split: str, digest: str) -> Where:
    """The table of the hashes of a group."""
    return below(folder(out), split, f"{digest}.arrow")


def mark(out: Where, split: str, digest: str) -> Where:
    """The mark of the hashes of a group."""
    return below(folder(out), split, f"{digest}.json")
