"""The outputs that a job asks for: one for each format of a split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pipeline import paths
from pipeline.errors import EnvironmentRefused
from pipeline.formats.base import JOINED, LABELS, RecordOptions, ShardFormat
from pipeline.formats.registry import ALL
from pipeline.images.prepare import ImageOptions, preparation
from pipeline.job.options import Job
from pipeline.shards import codecs
from pipeline.shards.output import Output, RecordForm, digest_of
from pipeline.sources.source import Defaults


def derive(
    job: Job,
    split: str,
    shards_digest: str,
    defaults: Defaults,
    *,
    boxes: bool = False,
    class_names: tuple[str, ...] = (),
    vectors: bool = False,
) -> tuple[Output, ...]:
    """Return the outputs of a split, one for each format that is asked for.

    Args:
        job: the job.
        split: name of the split.
        shards_digest: of which image goes where; see `SplitJob`.
        defaults: how its images are stored where no option says otherwise.
        boxes: whether there are boxes, which are fractions of the pixels as they lie: images
            are not turned then, unless one says so.
        class_names: of its classes by their index; empty: `defaults` has them, or nobody.
        vectors: whether an image may have several labels.

    Raises:
        UsageError: the options for images contradict each other.
        EnvironmentRefused: no codec is installed, and one is needed.
    """
    image = job.image
    if boxes and image.encodes and image.orientation is None:
        image = replace(image, orientation="keep")
    codec = _codec(image)
    outputs = []
    for name in dict.fromkeys(job.formats):
        shard_format = ALL[name]
        offset = shard_format.label_offset if defaults.offsets else 0
        labels = _labels(job, shard_format, defaults)
        is_vector = shard_format.one_label_width and labels == LABELS[0]
        options = RecordOptions(
            label_offset=offset if job.label_offset is None else job.label_offset,
            labels=labels,
            suffix=defaults.suffix,
            multi_hot=defaults.multi_hot if is_vector else 0,
        )
        if shard_format.has_columns:
            names = class_names or defaults.class_names
            options = replace(options, class_names=names, vectors=vectors)
            options = replace(options, boxes=boxes or defaults.reads_boxes)
        if shard_format.names_objects:
            options = replace(options, object_names=_object_names(options, defaults))
        mended = shard_format.jpeg_only or (defaults.repairs and shard_format.holds_images)
        form = RecordForm(name, options, image, None, mended)
        shortened = defaults.long_names and shard_format.cuts_names
        made_of = partial(_output, job, split, shards_digest, shortened=shortened)
        if codec is None:
            outputs.append(made_of(form))
        else:
            made_by = partial(_output_of_codec, made_of, form)
            outputs.append(codecs.choose(job.folder, split, codec, made_by))
    return tuple(outputs)


def _labels(job: Job, shard_format: ShardFormat, defaults: Defaults) -> str:
    """Return what the records of a format have as labels."""
    describes = defaults.describes_objects and shard_format.describes_objects
    return job.labels if describes or job.labels in shard_format.labels else LABELS[0]


def _object_names(options: RecordOptions, defaults: Defaults) -> tuple[str, ...] | None:
    """Return the names of the classes of objects; None: as of images, or no column has names."""
    has_names = options.boxes and not options.label_offset
    names = defaults.object_names if has_names else None
    return None if names == options.class_names else names


def _codec(image: ImageOptions) -> str | EnvironmentRefused | None:
    """Return the codec that images need, or why there is none; None: they need none."""
    try:
        return preparation(image).codec
    except EnvironmentRefused as error:
        return error


def _output_of_codec(
    made_of: Callable[[RecordForm], Output], form: RecordForm, codec: str
) -> Output:
    return made_of(replace(form, codec=codec))


def _output(
    job: Job, split: str, shards_digest: str, form: RecordForm, *, shortened: bool
) -> Output:
    digest = digest_of(form, shards_digest, shortened=shortened)
    folder = paths.output(job.folder, form.format, split, digest)
    return Output(digest, folder, form, job.joined and JOINED in form.shard_format.takes)
