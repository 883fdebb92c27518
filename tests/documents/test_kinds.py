"""Every document of an output folder is of its kind; forged, it is refused or harmless."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from finishedoutputs import (
    of_append,
    of_imagelist,
    of_imagenet,
    of_imagenet_unsaid,
    of_openimages,
    of_reshard,
    of_split_column,
    of_tree,
    reported,
)
from forging import Forgery, forgeries, sealed
from msgspec import Struct, structs
from support import RawSet

from pipeline import manifest
from pipeline.documents import kinds
from pipeline.documents.decoding import fitted
from pipeline.documents.leases import Lease
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.packed import PackManifest
from pipeline.documents.records import ArchiveRefusal, JobRecord, WalkedMark, Withdrawal
from pipeline.documents.segments import SegmentMark, SegmentRowsMark
from pipeline.documents.shards import ShardClaim, ShardTerms
from pipeline.documents.sources import RecordedFile
from pipeline.documents.tables import LabelsMark
from pipeline.errors import OutputDamaged
from pipeline.job.options import Job
from pipeline.manifest import Sealed

_LONGEST = 1 << 16
_LARGEST = 1 << 63
_UNBOUNDED = {"label_offset", "seed", "inception_threads", "resize", "max_pixels"}
_NOT_THERE = {
    ArchiveRefusal,
    LabelsMark,
    Lease,
    PackManifest,
    RecordedFile,
    SegmentMark,
    SegmentRowsMark,
    ShardClaim,
    ShardTerms,
    WalkedMark,
    Withdrawal,
}


@pytest.fixture(scope="module")
def outs(small: RawSet, openimages: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("finished")
    made = of_imagelist(folder / "list"), of_imagenet(small, folder / "set"), of_tree(folder)
    others = of_imagenet_unsaid(small, folder / "unsaid"), of_split_column(folder / "column")
    again = of_reshard(made[0].out, folder / "again")
    every = (*made, *others, of_append(folder / "append"), again)
    reported(made[0].out, "--duplicates")
    return [*(finished.out for finished in every), of_openimages(openimages)]


def kind_of(out: Path, path: Path) -> type[Sealed]:
    if path.name == "manifest.json":
        return OutputManifest
    kind = kinds.kind_of(out, path)
    assert kind is not None, path
    return kind


def decoded(kind: type[Sealed], forged: Forgery) -> Sealed | None:
    """Return what is made of a forged document; None: it is refused."""
    try:
        found = fitted(forged.document, kind, forged.path)
        if isinstance(found, JobRecord):
            Job.from_json(found.job)
    except OutputDamaged:
        return None
    return found


def values(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield everything that a decoded document holds, each with the name of its field."""
    if isinstance(value, Struct) or is_dataclass(value):
        for each in structs.fields(value) if isinstance(value, Struct) else fields(value):
            yield from values(getattr(value, each.name), each.name)
    elif isinstance(value, dict):
        yield from (each for pair in value.items() for part in pair for each in values(part, name))
    elif isinstance(value, tuple):
        yield from (each for part in value for each in values(part, name))
    else:
        yield name, value


def test_every_kind_lies_in_a_finished_output_and_is_read_there(outs: list[Path]) -> None:
    found = Counter(kind_of(out, path) for out in outs for path in sealed(out))
    assert found.keys() == set(kinds.ALL) - _NOT_THERE
    for out in outs:
        for path in sealed(out):
            assert manifest.read(path, kind_of(out, path)) is not None


def test_a_forged_document_is_refused_or_holds_what_its_types_say(
    outs: list[Path], tmp_path: Path
) -> None:
    refused = accepted = 0
    each = {kind_of(out, path): path for out in outs for path in sealed(out)}
    for kind, path in each.items():
        for forged in forgeries(path):
            found = decoded(kind, forged)
            refused, accepted = refused + (found is None), accepted + (found is not None)
            for name, value in values(found) if found is not None else ():
                if isinstance(value, str):
                    assert len(value) <= _LONGEST, forged
                elif isinstance(value, int) and name not in _UNBOUNDED:
                    assert -_LARGEST <= value < _LARGEST, forged
            for entry in found.files if found is not None else ():
                assert (tmp_path / entry.file).resolve().is_relative_to(tmp_path), forged
    assert refused > accepted > 0
