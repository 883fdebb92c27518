"""Packed archives to compare images with: unpacked beside them for as long as that takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.compute as pc

from pipeline import storage
from pipeline.archives import plain_tars
from pipeline.archives.decompression import plain_name
from pipeline.catalog import plan as plans
from pipeline.errors import ArchiveMissing, NoPermission, NoSpace, OutputDamaged
from pipeline.sources.inputs import NO_MD5, Archive
from pipeline.state import unpacked_archives
from pipeline.storage import Location
from pipeline.verification.outputcheck import FinishedOutput

_TAR = ".tar"


@contextlib.contextmanager
def unpacked(raw: Location | None, outputs: Iterable[FinishedOutput]) -> Iterator[None]:
    """Have the packed archives of some outputs unpacked in this context.

    Args:
        raw: what their images are compared with; None: nothing.
        outputs: which are compared with it.

    Raises:
        ArchiveMissing: they cannot be unpacked there.
        ArchiveRefused: one is damaged, or is not the archive that an output was made of.
    """
    if not isinstance(raw, Path):
        yield
        return
    archives = {each.file: each for each in _packed(raw, outputs)}
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(unpacked_archives.unpacked_for(raw, archives.values()))
        except (NoPermission, NoSpace) as error:
            raise ArchiveMissing(
                "what to compare with is packed, and cannot be unpacked beside it",
                file=str(raw),
                expected=f"a folder with room for {', '.join(sorted(archives))}",
                found=error.brief,
                remedy="link the archives into a folder of yours that has room, and name that with"
                " --against",
            ) from error
        yield


def _packed(raw: Path, outputs: Iterable[FinishedOutput]) -> Iterator[Archive]:
    """Yield the packed archives of outputs whose plain tars nobody has put there."""
    plans_of_lists = dict[Location, None]()  # an output in each format has the same one
    for output in outputs:
        images = output.document.inputs[0]
        if images.file is not None:
            plain = plain_name(images.file)
            if plain is not None and _is_packed_alone(raw, plain, images.file):
                yield Archive(images.file, plain, "", images.md5, None, packed=images.file)
        elif images.list is not None and storage.stat(output.plan) is not None:
            plans_of_lists[output.plan] = None
    tars = {tar for plan in plans_of_lists for tar in _tars(plan)}
    for folder in sorted({tar.rpartition("/")[0] for tar in tars}):
        for name in sorted(entry.name for entry in storage.kinds(storage.below(raw, folder))):
            packed = f"{folder}/{name}" if folder else name
            plain = plain_name(packed)
            if plain in tars and _is_packed_alone(raw, plain, packed):
                yield Archive(packed, plain, "", NO_MD5, None, packed=packed, is_shard=True)


def _is_packed_alone(raw: Path, plain: str, packed: str) -> bool:
    """Whether there is a packed archive, and no plain tar but perhaps what was unpacked of it."""
    info, target = storage.stat(raw / packed), raw / plain
    if info is None or storage.stat(target) is None:
        return info is not None
    known = plain_tars.known(target)
    if known is None or known.packed != Path(packed).name:
        return False
    return plain_tars.is_unpacked(target) and plain_tars.is_of(known, info)


def _tars(plan: Location) -> set[str]:
    """Return the tars that the images of a plan lie in; none of one that is damaged."""
    tars = set[str]()
    with contextlib.suppress(OutputDamaged):  # that is found when its shards are looked at
        for sources in plans.sources(plan):
            in_tars = sources.filter(pc.ends_with(sources, _TAR))
            tars.update(pc.unique(in_tars).to_pylist())
    return tars
