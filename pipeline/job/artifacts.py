"""Artifacts: everything that is made and has a mark, and what each of them needs.

What depends on what is written in `Artifact.needs` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from pipeline import paths, storage
from pipeline.exports.base import ExportPlan, What
from pipeline.exports.tree import TreeOfImages
from pipeline.storage import Location

INPUTS: Final = "inputs"
"""The record of a job: its inputs were there, and its output may be written."""
ARCHIVE: Final = "archive"
"""An archive that was verified, with the index of its members."""
WALKED: Final = "walked"
"""The index of an archive by its headers alone: before the archive is verified, or that it is."""
LABELS_CHECK: Final = "compared"
"""The labels of a split agree with those of an archive."""
CATALOG: Final = "catalog"
PLAN: Final = "plan"
SEGMENT_ROWS: Final = "rows"
"""The rows of a plan by the segments of archives that their images begin in."""
SEGMENTS: Final = "segments"
"""Segments of a split's archives, each sorted by shard; each has a mark of its own."""
TERMS: Final = "terms"
"""What decides the bytes of planned shards, for those who write them elsewhere."""
SHARDS: Final = "shards"
"""All shards of a split, in every format; each has a mark of its own."""
MANIFEST: Final = "manifest"
LINK: Final = "link"
"""The link to the output of a format that is a split's current one."""
BOXES: Final = "bboxes"
UNMATCHED: Final = "unmatched"
CLASSES: Final = "classes"
"""The table of a split's class folders."""
TREE: Final = "tree"
"""What makes a tree of class folders whose images are unchanged."""
GROUPS: Final = "groups"
"""The groups of classes that a tree is made in; each has a mark of its own."""
JOINED: Final = "joined"
"""All shards of an output in one file."""

EXPORT, CHANGED_TREE, CHANGED_GROUPS = "export", "changed tree", "changed groups"
"""What makes the files of an export, a tree of changed images, and its groups of classes."""
OF_IMAGES: Final = frozenset({CATALOG, SHARDS, GROUPS})
"""Kinds of artifacts that are made of the images themselves, or of their index."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Anything that is made and has a mark: the document that says that it is whole.

    Attributes:
        kind: what it is, of whatever split; without a hyphen.
        split: whose it is; "" where it is no split's.
        variant: which of several of its kind: the format of an output, the file of an archive.
        digest: of everything that decides its bytes.
        files: the files; of a tree, the folder that is filled.
        mark: the path of its mark; None of an archive, of which each copy has a mark of its own,
            and of what is made in parts, each of which has one.
        needs: names of the artifacts that must be whole before it is made, in order. Nothing else
            says what depends on what.
        maker: what makes it, where its kind does not say that.
        step: what making it is called in reports.
        versioned: whether its digest is in its path, so that nothing else can stand there.
        described: whether a description of the whole output names its files.
    """

    kind: str
    split: str = ""
    variant: str = ""
    digest: str
    files: tuple[Location, ...] = ()
    mark: Location | None = None
    needs: tuple[str, ...] = ()
    maker: str = ""
    step: str
    versioned: bool = True
    described: bool = False

    @property
    def name(self) -> str:
        """Its name, unique in a job; see `name_of`."""
        return name_of(self.kind, self.split, self.variant)


@dataclass(frozen=True, kw_only=True)
class Product(Artifact):
    """An artifact at a fixed path, which is claimed before it is written.

    Attributes:
        tree: how it is made, if it is a tree of class folders; else None.
        in_place: whether what stands there is what it is made of.
        succeeds: whether it takes the place of another job's without being asked, as a link
            `current` does; never of what this program did not write.
        parts: what of its split, or of all splits, decides its bytes: ``images``, ``boxes`` and
            ``shards``.
        version: of its form; 0: that is not told.
        made_of: what decides the digest, by name, in short values; see `provenance.made_of`.
        follows: what of `made_of` it follows without being asked; see `provenance.follows`.
        before: names and values of `made_of` that it follows likewise; see `provenance.before`.
        folder: of images, the list or folder that the job names; "": it names none.
        codec: of images that are encoded anew; "": there are none.
        codec_here: the codec that is installed, where it is another than `codec`; else "".
        export: the export that makes it, by its name; "": none does.
        plan: what that export says of it; None: no export makes it.
    """

    versioned: bool = False
    tree: TreeOfImages | None = field(default=None, compare=False)
    in_place: bool = False
    succeeds: bool = False
    parts: tuple[str, ...] = ("images", "boxes")
    version: int = 0
    made_of: Mapping[str, str] = field(default_factory=dict, compare=False)
    follows: frozenset[str] = field(default=frozenset(), compare=False)
    before: frozenset[tuple[str, str]] = field(default=frozenset(), compare=False)
    folder: str = field(default="", compare=False)
    codec: str = ""
    codec_here: str = ""
    export: str = ""
    plan: ExportPlan | None = field(default=None, compare=False)

    @property
    def place(self) -> Location:
        """Where people look for it: its first file, or the folder of small files that are all."""
        (first, *others), plan = self.files, self.plan
        return plan.folder if plan and plan.folder and not others else first

    @property
    def lacks_bad_images(self) -> bool:
        """Whether images that are left out of the shards are left out of it, too."""
        return self.plan is not None and any(n.what is What.LEFT_OUT for n in self.plan.needs)


def name_of(kind: str, split: str = "", variant: str = "") -> str:
    """Return the name of an artifact in its job; of a product it is the name of its mark, too.

    Args:
        kind: see `Artifact`.
        split: see `Artifact`.
        variant: see `Artifact`.
    """
    return "-".join(filter(None, (kind, split, variant)))


@dataclass(frozen=True)
class Begun:
    """A product that some job has begun in an output folder, as the path of its mark says.

    Attributes:
        mark: the path of its mark, which may be damaged.
        kind: what it is; see `Artifact`.
        split: whose it is; "" where it is of all splits.
        variant: which of several of its kind; "" where there is one.
    """

    mark: Location
    kind: str
    split: str
    variant: str

    @classmethod
    def at(cls, mark: Location) -> Self:
        """Return the product of a mark: neither a kind nor the name of a split has a hyphen."""
        kind, _, rest = mark.stem.partition("-")
        split, _, variant = rest.partition("-")
        return cls(mark, kind, split, variant)

    @property
    def name(self) -> str:
        """Its name; see `name_of`."""
        return name_of(self.kind, self.split, self.variant)


def begun(out: Location) -> list[Begun]:
    """Return every product that was begun in an output folder, by whatever job."""
    return [Begun.at(mark) for mark in storage.documents(paths.product_marks(out))]


def product(
    out: Location,
    kind: str,
    digest: str,
    files: tuple[Location, ...],
    *,
    needs: Iterable[str],
    step: str = "exports",
    split: str = "",
    variant: str = "",
    described: bool = False,
) -> Product:
    """Return an artifact at a fixed path; see `Artifact` for what is given.

    Args:
        out: the output folder.
        kind: what it is; without a hyphen.
        digest: of everything that decides its bytes.
        files: its files.
        needs: names of what it is made of; see `name_of`.
        step: what making it is called in reports.
        split: whose it is; "" where it is of all splits.
        variant: which of several of its kind.
        described: whether the description of the whole output names its files.
    """
    return Product(
        kind=kind,
        split=split,
        variant=variant,
        digest=digest,
        files=files,
        mark=paths.product_mark(out, name_of(kind, split, variant)),
        needs=tuple(needs),
        step=step,
        described=described,
    )


def tree_product(
    out: Location, kind: str, split: str, folder: Location, digest: str, tree: TreeOfImages
) -> Product:
    """Return an artifact that is a tree of class folders, made in parts; see `product`."""
    needs = (name_of(GROUPS, split, kind),)
    artifact = product(out, kind, digest, (folder,), step=tree.step, split=split, needs=needs)
    return replace(artifact, tree=tree, maker=CHANGED_TREE if tree.changed else TREE)
