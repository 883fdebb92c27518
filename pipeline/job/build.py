"""The job that the options of a command ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from pipeline import resources, storage
from pipeline.errors import UsageError
from pipeline.formats.registry import FACTS
from pipeline.images.prepare import ImageOptions
from pipeline.job.options import STEPS, Job
from pipeline.job.selection_options import NOTHING, SelectionOptions
from pipeline.job.table.group import Kind
from pipeline.job.table.option import LIST, OPEN, RESHARD, SET, Option, Value
from pipeline.job.table.options import options_of
from pipeline.job.table.run import STEPS_OF
from pipeline.job.table.shards import NO_SHARDS
from pipeline.job.table.values import check_words, shard_counts, split_shares
from pipeline.sources import registry as sources
from pipeline.storage import RemoteOptions
from pipeline.storage.local.local_path import absolute

_PARTS: Final = {
    "image": ImageOptions,
    "remote": RemoteOptions,
    "openimages": SelectionOptions,
}
"""Parts of a `Job` that have options of their own."""
_PAIRS: Final[Mapping[Kind, Callable[[Iterable[str]], tuple[tuple[str, float], ...]]]] = {
    Kind.COUNTS: shard_counts,
    Kind.SHARES: split_shares,
}
"""What reads the values of options that are pairs."""
_COLLECTED_STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    step: ("lists", step) for step in ("plan", "shards")
}
"""What is made of Open Images once its images are collected, of `STEPS`, by the last step."""
_COLLECTED_EXPORTS: Final = ("annotations",)
"""What is always made of it where it has objects, of `EXPORTS`."""


def build_job(command: str, given: Mapping[str, Any]) -> Job:
    """Return the job that a command is asked for.

    Args:
        command: one of `COMMANDS`.
        given: values by the names of options; those that are not there have their default.

    Raises:
        UsageError: a value means nothing, a path is empty or an address, or no class is chosen.
    """
    options = options_of(command)
    values = {option.name: given.get(option.name, option.default) for option in options}
    decided = {
        option.field: _of_job(option, values[option.name])
        for option in options
        if option.field and not option.part
    }
    for part, made_of in _PARTS.items():
        fields = {
            option.attribute: _of_job(option, values[option.name])
            for option in options
            if option.part == part
        }
        decided[part] = made_of(**fields)
    if command in {LIST, RESHARD}:
        until, extract = values["until"], values["extract"]
        check_words("--until", [until], STEPS_OF[command])
        own = {"packed": True, "root": ""} if command == RESHARD else {}
        return list_job(**decided | own | {"steps": list_steps(until, extract=extract)})
    if command == OPEN:
        if not decided["openimages"].is_given:
            raise UsageError("no class is chosen: name some with --class or --classes")
        return collected_job(**decided)
    steps = steps_until(values["until"], boxes=values["boxes"], extract=values["extract"])
    config = decided["config"] or default_config()
    return Job(**(decided | {"steps": steps, "config": config}))


def _of_job(option: Option, value: Value) -> Any:
    """Return what a field of `Job` holds of an option's value."""
    if option.kind is Kind.PATH and value not in option.choices:
        if not (value or option.required):
            return ""
        if not option.anywhere:
            return absolute(str(value), option.flag)
        return storage.absolute(str(value), option.flag, whole_bucket=option.whole_bucket)
    if option.kind in _PAIRS and isinstance(value, tuple):
        return _PAIRS[option.kind](value)
    if option.field == "formats" and isinstance(value, tuple):
        return tuple(FACTS if name == NO_SHARDS else name for name in value)
    return value


def list_steps(step: str, *, extract: bool) -> tuple[str, ...]:
    """Return the steps of a list or folder up to one of them, of `STEPS`."""
    wanted = {"extract": extract or step == "extract", step: True}
    return tuple(name for name in STEPS_OF[LIST] if wanted.get(name))


def list_job(
    images: str,
    root: str,
    out: str,
    shards: int | None,
    steps: tuple[str, ...] = ("shards",),
    **options: Any,
) -> Job:
    """Return the job that prepares a list or a folder.

    Args:
        images: the list or folder.
        root: folder of its paths; empty: its own.
        out: folder of the output.
        shards: how many, of each split; None: by the size of the images.
        steps: what to make, see `list_steps`.
        **options: other fields of `Job`.
    """
    path = storage.parse(storage.absolute(images, "--images"))
    storage.use(options.get("remote", RemoteOptions()))  # a store is asked whether it is a folder
    own = path if root or storage.is_folder(path) else path.parent
    job = Job(
        raw="",
        config="",
        images=str(path),
        root=storage.absolute(root, "--root") if root else str(own),
        out=storage.absolute(out, "--out"),
        steps=steps,
        boxes=False,
        **options,
    )
    if shards is None:
        return job
    return replace(job, shards=tuple((name, shards) for name in sources.split_names(job)))


def collected_job(
    openimages: SelectionOptions, config: str = "", exports: tuple[str, ...] = (), **options: Any
) -> Job:
    """Return the job that collects classes of Open Images and prepares them.

    Args:
        openimages: what is wanted.
        config: configuration file; "": the shipped one.
        exports: what else is made; objects are always written as a table, too.
        **options: other fields of `Job`.
    """
    config = config or default_openimages_config()
    if openimages.until not in _COLLECTED_STEPS:
        return Job(config=config, steps=(), openimages=openimages, exports=exports, **options)
    has_objects = openimages.boxes or openimages.masks or openimages.by == "masks"
    all_exports = tuple(dict.fromkeys((*exports, *(_COLLECTED_EXPORTS if has_objects else ()))))
    steps = _COLLECTED_STEPS[openimages.until]
    return Job(config=config, steps=steps, openimages=openimages, exports=all_exports, **options)


def steps_until(step: str, *, boxes: bool, extract: bool) -> tuple[str, ...]:
    """Return the steps up to one of them, of `STEPS`.

    Raises:
        UsageError: there is no such step.
    """
    check_words("--until", [step], STEPS)
    if step == "verify":
        return ("verify",)
    wanted = {"boxes": boxes, "extract": extract or step == "extract", "plan": step == "plan"}
    upto = STEPS[: STEPS.index(step) + 1]
    return tuple(name for name in upto if name != "verify" and wanted.get(name, True))


def default_openimages_config() -> str:
    """Return the path of the shipped configuration of Open Images."""
    return str(resources.shipped("config/openimages.toml"))


def default_config() -> str:
    """Return the path of the shipped ILSVRC2012 configuration."""
    return str(resources.shipped("config/ilsvrc2012.toml"))


def command_words(job: Job) -> list[str] | None:
    """Return the words of the ``shardmill`` command that asks for a job.

    None where only Luigi's own command can ask for it.
    """
    if job.images:
        command = RESHARD if job.packed else LIST
        default = Job("", "", "", steps=("shards",), boxes=False, images=job.images)
        images = f"./{job.images}" if job.images.startswith("-") else job.images  # no option
        step = max(job.steps, key=STEPS.index, default="")
        extract = "extract" in job.steps
        if step not in STEPS_OF[LIST] or list_steps(step, extract=extract) != job.steps:
            return None
        words = ["shardmill", command, images, *_words_of(command, job, default)]
        return words + _of_steps(job, STEPS_OF[command])
    if job.openimages != NOTHING:
        default = _default_collected_job()
        return ["shardmill", OPEN, *_words_of(OPEN, job, default)]
    if not job.steps:
        return None
    if job.remote.chosen:  # of this host, and not what was asked for
        job = replace(job, remote=replace(job.remote, stage="", chosen=False))
    until = max(job.steps, key=STEPS.index)
    extract = "extract" in job.steps
    if set(steps_until(until, boxes=job.boxes, extract=extract)) != set(job.steps):
        return None
    words = _words_of(SET, job, Job(raw="", out="", config=default_config()))
    return ["shardmill", SET, *words, *_of_steps(job, STEPS)]


def _default_collected_job() -> Job:
    """Return the job of the command that collects, where no option is given."""
    unsigned = RemoteOptions(s3_unsigned=True)
    how: dict[str, Any] = {"on_bad_image": "skip", "remote": unsigned, "replace": True}
    return collected_job(NOTHING, raw="", out="", **how)


def _of_steps(job: Job, steps: tuple[str, ...]) -> list[str]:
    """Return the options that say which steps a job consists of."""
    until, extract = max(job.steps, key=steps.index), "extract" in job.steps
    words = ["--until", until] if until != steps[-1] else []
    return words + (["--extract"] if extract and until != "extract" else [])


def _words_of(command: str, job: Job, default: Job) -> list[str]:
    """Return the options whose values are not the default ones."""
    fields = (each for each in options_of(command) if each.field not in {"", "steps"})
    return [word for option in fields for word in _words(option, job, default)]


def _words(option: Option, job: Job, default: Job) -> Iterable[str]:
    value = _value(option, job)
    if value == _value(option, default):
        return []
    if option.kind is Kind.SWITCH:
        return [option.flag if value else option.off]
    values = value if isinstance(value, tuple) else (value,)
    texts = ["=".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in values]
    return [word for text in texts for word in (option.flag, text)]


def _value(option: Option, job: Job) -> Any:
    value = option.value_in(job)
    if option.field == "shards" and option.kind is Kind.NUMBER:
        return value[0][1] if value else None
    if option.field == "formats":
        return tuple(NO_SHARDS if name == FACTS else name for name in value)
    return value
