"""The options that choose classes, images and objects of Open Images, and what images become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.errors import UsageError
from pipeline.job.options import ON_BAD_IMAGE, Job
from pipeline.job.selection_options import (
    BY,
    FLAGS,
    MASK_SIZES,
    MOST_IMAGES,
    NOTHING,
)
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import (
    CATALOG,
    NO_DIGEST,
    OPEN,
    Option,
    Refusals,
    refuses_nothing,
)

if TYPE_CHECKING:
    from pipeline.sources.data_set import DataSet


def _classes(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    """Refuse options of Open Images that contradict each other."""
    del dataset, names
    asked = job.openimages
    if asked == NOTHING:
        return
    if asked.with_subclasses and asked.merge_subclasses:
        yield UsageError(
            "--with-subclasses and --merge-subclasses contradict each other: the first leaves each"
            " subclass its own class, the second makes it the chosen one"
        )


def _kinds(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    """Refuse to select by what is not read, and to ask for what has no meaning then."""
    del dataset, names
    asked = job.openimages
    if asked == NOTHING:
        return
    if asked.by == "boxes" and not asked.boxes:
        yield UsageError(
            "--no-boxes: images are selected by their boxes; say --by masks or --by labels"
        )
    for flag, given in {
        "--drop-boxes": asked.drop_boxes,
        "--drop-images": asked.drop_images,
    }.items():
        if given and not asked.boxes:
            yield UsageError(f"{flag} is about boxes, and --no-boxes leaves them out")
    if asked.mask_size != NOTHING.mask_size and not asked.masks:
        yield UsageError("--mask-size has a meaning with --masks only")


def option_of(
    flag: str,
    kind: Kind,
    group: Group,
    text: str,
    *,
    field: str = "",
    choices: tuple[str, ...] = (),
    least: int | None = None,
    most: int | None = None,
    metavar: str = "",
    repeats: bool = False,
    commas: bool = True,
    off: str = "",
    anywhere: bool = False,
    whole_bucket: bool = False,
    digests: frozenset[str] = CATALOG,
    refusals: Refusals = refuses_nothing,
) -> Option:
    """Return an option of a field of `SelectionOptions`, which is called as it, or `field`."""
    name = field or flag.removeprefix("--").replace("-", "_")
    return Option(
        flag=flag,
        kind=kind,
        group=group,
        help=text,
        commands=(OPEN,),
        field=f"openimages.{name}",
        default=getattr(NOTHING, name),
        choices=choices,
        least=least,
        most=most,
        metavar=metavar,
        repeats=repeats,
        commas=commas,
        off=off,
        anywhere=anywhere,
        whole_bucket=whole_bucket,
        digests=digests,
        refusals=refusals,
    )


SELECTION: Final = (
    option_of(
        "--class",
        Kind.TEXT,
        Group.SELECTION,
        "Class to take, by its name or MID, such as Handgun or /m/0gxl3.",
        field="classes",
        metavar="CLASS",
        repeats=True,
        commas=False,
        refusals=_classes,
    ),
    option_of(
        "--classes",
        Kind.PATH,
        Group.SELECTION,
        "File of classes to take, names or MIDs, one a line.",
        field="classes_file",
        metavar="FILE",
    ),
    option_of(
        "--with-subclasses",
        Kind.SWITCH,
        Group.SELECTION,
        "Also take the subclasses of each class, as classes of their own.",
    ),
    option_of(
        "--merge-subclasses",
        Kind.SWITCH,
        Group.SELECTION,
        "Take the objects of subclasses as objects of the chosen class.",
    ),
    option_of(
        "--except",
        Kind.TEXT,
        Group.SELECTION,
        "Class to leave out again, by its name or MID.",
        field="exclude",
        metavar="CLASS",
        repeats=True,
        commas=False,
    ),
    option_of(
        "--class-order",
        Kind.PATH,
        Group.SELECTION,
        "File of the chosen classes, one a line, in the order of their labels; default: by MID.",
        metavar="FILE",
    ),
    option_of(
        "--by",
        Kind.CHOICE,
        Group.SELECTION,
        "What an image has to have of a class to be taken: a box, a mask, or a label of the whole"
        " image.",
        choices=BY,
    ),
    option_of(
        "--boxes",
        Kind.SWITCH,
        Group.SELECTION,
        "Whether to read bounding boxes; --no-boxes needs none of their files.",
        off="--no-boxes",
        refusals=_kinds,
    ),
    option_of("--masks", Kind.SWITCH, Group.SELECTION, "Also collect the masks of the objects."),
    option_of(
        "--image-labels",
        Kind.SWITCH,
        Group.SELECTION,
        "Also read the labels of whole images that people have verified.",
    ),
    option_of(
        "--all-objects",
        Kind.SWITCH,
        Group.SELECTION,
        "Keep objects of every class on the images that are taken, not only of the chosen ones.",
    ),
    option_of(
        "--negatives",
        Kind.NUMBER,
        Group.SELECTION,
        "How many images to add, of each class and split, that are verified not to show it;"
        " default 0.",
        least=0,
        most=MOST_IMAGES,
        metavar="N",
    ),
    option_of(
        "--limit",
        Kind.NUMBER,
        Group.SELECTION,
        "How many images of each class and split to take at most: the same ones each time, all of"
        " which a larger limit takes, too.",
        least=1,
        most=MOST_IMAGES,
        metavar="N",
    ),
    option_of(
        "--ids",
        Kind.PATH,
        Group.SELECTION,
        "List of the only images to take, SPLIT/ImageID a line.",
        metavar="LIST",
    ),
    option_of(
        "--drop-boxes",
        Kind.CHOICE,
        Group.SELECTION,
        "Leave out boxes that have this flag; an image that keeps none is not taken.",
        choices=FLAGS,
        repeats=True,
    ),
    option_of(
        "--drop-images",
        Kind.CHOICE,
        Group.SELECTION,
        "Leave out images with a box of a chosen class that has this flag.",
        choices=FLAGS,
        repeats=True,
    ),
    Option(
        flag="--on-bad-image",
        kind=Kind.CHOICE,
        group=Group.SELECTION,
        help="What an image does that is absent or cannot be stored: be skipped, counted and named"
        " (exit status 4), or fail the command.",
        commands=(OPEN,),
        field="on_bad_image",
        default="skip",
        choices=ON_BAD_IMAGE,
    ),
)
IMAGES: Final = (
    option_of(
        "--mask-size",
        Kind.CHOICE,
        Group.IMAGES,
        "Whether masks are kept as the archives have them, or are made the size of their image.",
        choices=MASK_SIZES,
    ),
    option_of(
        "--check-pixels",
        Kind.SWITCH,
        Group.IMAGES,
        "Decode each image when it is fetched, which takes longer than to fetch it.",
        digests=NO_DIGEST,
    ),
)
