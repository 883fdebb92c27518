"""The options of a job, as a person gives them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from pipeline import digests
from pipeline.catalog.order import ORDERS
from pipeline.documents import first_words
from pipeline.documents.decoding import decoded, fitted
from pipeline.documents.values import Key, Name, NameOrNone, Place, Position, Text, one_of
from pipeline.exports import registry
from pipeline.exports.tree import TRANSFERS
from pipeline.formats.base import LABELS
from pipeline.formats.registry import ALL, DEFAULT
from pipeline.images.prepare import PLAIN, ImageOptions
from pipeline.job.append_parent import AppendParent
from pipeline.job.selection_options import NOTHING, SelectionOptions
from pipeline.storage.location import Location, parse
from pipeline.storage.remote_options import DEFAULT as LIKE_AWS
from pipeline.storage.remote_options import RemoteOptions

FORMATS = tuple(ALL)
STEPS = ("verify", "boxes", "lists", "extract", "plan", "shards")
"""What a job can make, in the order of making: archives verified, bboxes.csv, image lists, trees
of class folders, plans of shards, shards."""
EXPORTS = tuple(registry.EXPORTS)
"""Files of the whole data set, made of catalogs and facts; and a tree of smaller images."""
ON_BAD_IMAGE = ("fail", "skip")
VERIFY: Final = ("auto", "before", "beside")
"""When archives are verified: before anything is made of them, or while shards are written."""
READ_ORDERS: Final = ("archive", "shard", "auto")
"""How images of archives are read: front to back, or as they come in shards."""
SEGMENT_BYTES: Final = 1 << 31
"""Of a segment of archives that are read front to back, where nobody says how many."""
PATHS = ("config", "tree", "classes", "data_dir")
"""Fields of `Job` that are paths of this machine."""
_OF_SETS: Final[dict[str, Any]] = {
    "raw": "",
    "config": "",
    "tree": "",
    "extras": (),
    "skip_blacklisted": False,
    "boxes": False,
    "box_class_filter": False,
}
"""Options that mean something for a configured set only, and what they are of a list or folder."""
_OF_LISTS: Final[dict[str, Any]] = {
    "images": "",
    "root": "",
    "name": "",
    "recursive": False,
    "extensions": (),
    "path_column": "path",
    "label_column": "label",
    "split_column": "",
    "shares": (),
    "packed": False,
    "source_format": "",
}
"""Options that mean something for a list or folder only, and what they are of a configured set."""

_SINCE: Final[dict[str, Any]] = {
    "path_column": "path",
    "label_column": "label",
    "split_column": "",
    "shares": (),
    "update": False,
    "append": False,
    "appended": (),
    "packed": False,
    "source_format": "",
    "verify": VERIFY[0],
    "read_order": READ_ORDERS[-1],
    "segment_bytes": SEGMENT_BYTES,
}
"""Options that earlier versions of this program had not; with these values they are not recorded,
so that the record of the same job stays the same."""
_OF_ONE_RUN: Final = ("update", "verify", "read_order", "segment_bytes")
"""Options that say how far one run may go, or how it reads; they decide no byte."""


@dataclass(frozen=True)
class Job:
    """The options of a preparation, as given; paths are absolute.

    Attributes:
        raw: folder of the archives; "" where nothing is read from an archive.
        out: folder of the output.
        config: dataset configuration file.
        tree: folder of an unpacked set to read instead of the archives of images; "": none.
        splits: split names; empty: all but those of optional archives that are not in `extras`.
        steps: what to make, of `STEPS`.
        formats: shard formats.
        labels: of records, one of `LABELS`; of formats that take no other, the first.
        joined: whether shards are joined into one file, too, of formats that take that.
        image: how images are stored.
        shards: (split, number of shards) where it differs from the configuration.
        order: one of `sharding.ORDERS`.
        seed: of the ``hash`` order; None: 0.
        inception_threads: of the ``inception`` order; None: 8.
        label_offset: added to the 0-based class index; None: the format's own.
        classes: file of chosen class ids, or of a folder the table of its class folders; "": all.
        skip_blacklisted: leave out the images of a split's blacklist.
        extras: optional archives to use too.
        boxes: whether bounding boxes are read.
        box_class_filter: leave out boxes of other classes, as TensorFlow's script does.
        transfer: how files of a tree come into the extracted one, of `TRANSFERS`.
        replace: whether a product of another job, whose path carries no digest, may be replaced.
        update: whether a product that the same job made of its inputs, as they were then, may be
            replaced.
        append: whether the shards of finished outputs are kept, and new images put beside them.
        verify: when archives are verified, of `VERIFY`; it decides no byte. `auto` counts as the
            first until a command has decided it.
        read_order: how images of archives are read, of `READ_ORDERS`; it decides no byte. `auto`
            counts as ``shard`` until a command has decided it.
        segment_bytes: how much of archives is read and sorted at once in their own order.
        appended: what is appended to, see `pipeline.job.appending`: no option says it, it follows
            from what is there.
        on_bad_image: ``fail`` or ``skip``; in no digest.
        images: an image list, or a folder of images, to read instead of a configured set; "":
            none.
        root: folder that the paths of `images` are relative to.
        name: of its only split.
        recursive: of a folder, whether the folders in it are classes.
        extensions: of a folder, what names of images end in; empty: the customary ones.
        path_column: of a list whose columns have names, that of the paths.
        label_column: that of the labels.
        split_column: that of the names of splits; empty: one of that name, if there is one.
        shares: of a list or folder, its splits and what part of the images each gets; empty: they
            are not divided so.
        packed: whether `images` names shards or archives that images lie in, or an output.
        source_format: of an output, the only format whose shards are read; "": any.
        exports: what else is made of the whole, of `EXPORTS`.
        data_dir: folder that dbcollection is told the images lie in; "": the output, whose trees
            are then made, too.
        dbcollection_strict: whether dbcollection's files are also made as it makes them itself.
        remote: how remote places are reached; it decides no byte.
        openimages: what is wanted of Open Images, if anything.
    """

    raw: Place
    out: Place
    config: Place
    tree: Place = ""
    splits: tuple[Name, ...] = ()
    steps: tuple[Annotated[str, one_of(STEPS)], ...] = ("boxes", "lists", "shards")
    formats: tuple[Annotated[str, one_of(FORMATS)], ...] = (DEFAULT,)
    shards: tuple[tuple[Name, Position], ...] = ()
    order: Annotated[str, one_of(ORDERS)] = "hash"
    seed: int | None = None
    inception_threads: int | None = None
    label_offset: int | None = None
    classes: Place = ""
    skip_blacklisted: bool = False
    extras: tuple[Key, ...] = ()
    boxes: bool = True
    box_class_filter: bool = False
    transfer: Annotated[str, one_of(TRANSFERS)] = TRANSFERS[0]
    replace: bool = False
    on_bad_image: Annotated[str, one_of(ON_BAD_IMAGE)] = ON_BAD_IMAGE[0]
    labels: Annotated[str, one_of(LABELS)] = LABELS[0]
    joined: bool = False
    image: ImageOptions = PLAIN
    images: Place = ""
    root: Place = ""
    name: NameOrNone = ""
    recursive: bool = False
    extensions: tuple[Key, ...] = ()
    exports: tuple[Annotated[str, one_of(EXPORTS)], ...] = ()
    data_dir: Place = ""
    dbcollection_strict: bool = False
    remote: RemoteOptions = LIKE_AWS
    openimages: SelectionOptions = NOTHING
    path_column: Key = "path"
    label_column: Key = "label"
    split_column: Text = ""
    shares: tuple[tuple[Name, float], ...] = ()
    update: bool = False
    append: bool = False
    packed: bool = False
    source_format: Text = ""
    verify: Annotated[str, one_of(VERIFY)] = VERIFY[0]
    read_order: Annotated[str, one_of(READ_ORDERS)] = READ_ORDERS[-1]
    segment_bytes: Annotated[int, Meta(ge=1)] = SEGMENT_BYTES
    appended: tuple[AppendParent, ...] = ()

    @lru_cache(maxsize=8)  # noqa: B019 - of equal jobs; Luigi asks a thousand times
    def to_json(self) -> str:
        """Return canonical JSON; `from_json` reverses it.

        The options of the other kind of input, which have no meaning, are not in it.
        """
        others = _not_of(self.images)
        fields = asdict(self).items()
        recorded = {name: value for name, value in fields if others.get(name, ...) != value}
        for name, default in _SINCE.items():
            if recorded.get(name) == default:
                del recorded[name]
        if self.remote == LIKE_AWS:
            del recorded["remote"]
        if self.openimages == NOTHING:
            del recorded["openimages"]
        return digests.canonical(recorded).decode()

    def recorded(self) -> str:
        """Return the JSON of what is recorded of it: how far one run may go is no part of that."""
        fields = {name: _SINCE[name] for name in _OF_ONE_RUN}
        return replace(self, **fields).to_json()

    @staticmethod
    def from_json(text: str, file: Location = Path()) -> Job:
        """Rebuild a job; an option that is not recorded has its default.

        Raises:
            OutputDamaged: this is no job of this version; `file` is where it was recorded.
        """
        document = decoded(text, dict[str, Any], file)
        for earlier, name in first_words.EARLIER_FIELDS.items():
            if earlier in document:
                document = {name: document[earlier], **document}
        if not all(isinstance(each, dict) for each in document.get("appended") or ()):
            del document["appended"]  # an earlier version named less: it is found out again
        return fitted({**_not_of(document.get("images")), **document}, Job, file)

    @cached_property  # each task asks for it many times
    def folder(self) -> Location:
        """Where the output lies."""
        return parse(self.out)

    @property
    def places(self) -> list[Location]:
        """Where it reads and writes, of all that may lie at an address."""
        return [parse(text) for text in (self.out, self.raw, self.images, self.root) if text]

    @property
    def is_listed(self) -> bool:
        """Whether an image list or a folder names its images, and no configuration of a set."""
        return bool(self.images)

    @property
    def source(self) -> str:
        """What its images are read from, as it was given: a list, folder or tree, or archives."""
        known = self.images or self.tree or self.openimages.bucket or self.raw
        return known or (self.config if self.openimages.is_given else "")

    @property
    def named_by(self) -> str:
        """What names its images: a list or folder, or the configuration of a set."""
        return self.images or self.config

    def wants(self, *steps: str) -> bool:
        """Whether any of these steps is asked for, or needed for what is exported."""
        return not {*self.steps, *self._implied}.isdisjoint(steps)

    def exported(self, *exports: str) -> bool:
        """Whether any of these exports is asked for."""
        return not set(exports).isdisjoint(self.exports)

    @property
    def reads_attribution(self) -> bool:
        """Whether it is wanted who made the images, and under which licence."""
        return any(export.reads_attribution for export in registry.asked(self.exports))

    @property
    def archives(self) -> str:
        """Where archives are read: in the folder that they are copied into, or where they lie."""
        return self.remote.stage_folder or self.raw

    @property
    def _implied(self) -> tuple[str, ...]:
        in_trees = any(
            export.in_class_folders(self.data_dir) for export in registry.asked(self.exports)
        )
        return ("extract",) if in_trees else ()


def _not_of(images: object) -> dict[str, Any]:
    """Return the options that mean nothing for a list or folder, if that is given, or for a set."""
    return _OF_SETS if images else _OF_LISTS
