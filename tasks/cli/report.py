"""How ``shardmill imagenet`` says what it did, and the exit status that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from pipeline import paths, storage
from pipeline.archives import member_hashes as memberhashes
from pipeline.documents.shards import LeftOutImage
from pipeline.errors import Vanished, abbreviate
from pipeline.job import beside, neighbours
from pipeline.job.artifacts import ARCHIVE, CLASSES, GROUPS, SHARDS, Product
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.quantities import counted, size
from pipeline.shards import finish as outputs
from pipeline.shards.output import Output
from pipeline.state import preflight, progress, status, withdrawal
from pipeline.state.differences import Differences
from pipeline.state.inventory import Inventory
from pipeline.state.source_look import Look
from pipeline.storage import Location
from tasks.cli import linked, made_events, planned, unpacked
from tasks.cli.saying import say, say_failure, say_refusal
from tasks.cli.text import states
from tasks.run.supervisor import Outcome, Supervisor

COMPLETE, FAILED, LEFT_OUT, INTERRUPTED = 0, 1, 4, 130


def steps(out: Location, run: str) -> None:
    """Say what each step took."""
    for step in progress.by_step(progress.timings(out, run)):
        rate = f", {step.images / step.seconds:,.0f} images/s" if step.images else ""
        volume = f", {size(step.bytes)}" if step.bytes else ""
        say(f"{step.step}: {counted(step.tasks, 'task')} in {step.seconds:.2f} s{volume}{rate}")


def look(found: Look) -> None:
    """Say what a look at the images has shown, if anything."""
    if found.read:
        say(f"images that may have changed, read again: {found.read:,}")
    if found.replaced:
        first = found.replaced[0]
        say(f"replaced since shards were made of them: {len(found.replaced):,}, e.g. {first}")
    if found.parts:
        part = "shard or class group"
        say(f"to be made anew, in every format: {counted(len(found.parts), part)}")


def withdrawn(resolved: ResolvedJob, before: Collection[Location]) -> None:
    """Say which finished outputs are withdrawn that the job itself does not make anew.

    Args:
        resolved: the job, as it was when it began.
        before: folders of the outputs that were finished then; see `withdrawal.finished`.
    """
    own = {output.folder for split in resolved.splits.values() for output in split.outputs}
    for folder in sorted(set(before) - own - withdrawal.finished(resolved.out)):
        say(
            f"withdrawn: {folder}: it was made of an image that has been replaced; the command that"
            " made it makes those shards anew"
        )


def splits_to_read(resolved: ResolvedJob) -> set[str]:
    """Return the splits whose images are still to be read, for shards or trees."""
    pending = Inventory(resolved).pending()
    return {artifact.split for artifact in pending if artifact.kind in {SHARDS, GROUPS}}


def uncompared(resolved: ResolvedJob, read: Collection[str]) -> None:
    """Say of which archives images were read that nothing was known of to compare them with.

    Args:
        resolved: the job.
        read: the splits whose images were read.
    """
    inputs = [archive for name in sorted(read) for archive in resolved.splits[name].source.inputs]
    archives = dict.fromkeys((archive.file, archive.md5) for archive in inputs)
    for file in memberhashes.lacking(resolved.out, archives):
        say(f"images were not compared with what was verified: no hashes of {file} are kept")


def complete(inventory: Inventory, how: str) -> int:
    """Say what is there; return the exit status of a complete job."""
    resolved, left_out = inventory.resolved, 0
    for artifact in map(resolved.graph.__getitem__, resolved.graph.last):
        if artifact.kind == ARCHIVE:
            archive = resolved.dataset.archive(artifact.variant)
            say(f"{archive.name}: verified: {resolved.raw_file(archive)}")
    for product in resolved.products:
        _product(inventory, product, how)
    for line in (*resolved.dataset.beside(), *_of_other_classes(resolved)):
        say(line)
    for split in resolved.splits.values():
        for line in (*split.source.closing(), *_passed_over(resolved, split)):
            say(f"{split.name}: {line}")
        for output in split.outputs if resolved.job.wants("shards") else ():
            left_out += _output(inventory, split, output, how)
    planned.complete(resolved, how)
    return LEFT_OUT if left_out or resolved.dataset.empty_splits else COMPLETE


def _of_other_classes(resolved: ResolvedJob) -> Iterator[str]:
    """Yield what other splits have of other classes, beside the files that say what classes are."""
    if all(product.split for product in resolved.products):
        return
    differing = beside.of_other_classes(resolved.dataset, resolved.table, resolved.splits)
    for name, files in sorted(differing.items()):
        yield (
            f"{name}: made with other classes than these, by an earlier command:"
            f" {abbreviate(files)}; make them again with these classes, or in another folder"
        )


def _output(inventory: Inventory, split: SplitJob, output: Output, how: str) -> int:
    """Say what a finished output holds; return how many images were left out of it."""
    document = inventory.manifest(split.name, output.format)
    if document is None:
        raise Vanished("files were removed meanwhile", file=str(output.folder))
    counts = document.counts
    link = paths.current(inventory.resolved.out, output.format, split.name)
    made_events.tell(split, output, document, str(link))
    boxes = f"{counted(counts.boxes, 'box')}, " if split.boxes or counts.boxes else ""
    say(
        f"{split.name}: {how}, {counted(counts.records, 'record')} in "
        f"{counted(split.shards, 'shard')}, {size(counts.bytes)}, "
        f"{boxes}"
        f"{counts.repaired} repaired, "
        f"{counts.left_out} left out: {link}"
    )
    if output.codec_here:
        made_by = _made_by(str(output.form.codec), output.codec_here)
        say(f"{split.name}: {output.format}: {made_by}")
    for note, count in document.notes.items():
        say(f"{split.name}: {output.format}: {note}: {count:,}")
    for line in _left_out(split, document.left_out):
        say(f"{split.name}: {output.format}: {line}: {paths.manifest(link)}")
    return counts.left_out


def _left_out(split: SplitJob, images: Sequence[LeftOutImage]) -> Iterator[str]:
    """Yield which images were left out, and how they get in; all are listed in the manifest."""
    if images:
        named = f"left out: {len(images):,}, e.g. {images[0].key}: {images[0].reason}"
        yield f"{named}{_how_they_get_in(split, images)}; all are listed in the manifest"


def _how_they_get_in(split: SplitJob, images: Sequence[LeftOutImage]) -> str:
    """Return what to do for images that were left out; nothing helps a bad one in an archive."""
    remedies = []
    if any(not image.max_pixels for image in images) and split.source.gets_images_in:
        remedies.append(split.source.gets_images_in)
    if any(image.max_pixels for image in images):
        remedies.append("allow more pixels with a larger --max-pixels")
    return "".join(f"; {remedy}" for remedy in remedies)


def _passed_over(resolved: ResolvedJob, split: SplitJob) -> Iterator[str]:
    """Yield what was passed over in the archives of a split's images, and a few names."""
    for archive in split.source.inputs:
        left = outputs.passed_over(resolved.out, split)
        if left.count:
            yield f"passed over in {archive.file}: {left}"
        broken = outputs.unreadable(resolved.out, split)
        if broken.count:
            tars = f"tars of other classes that cannot be read: {broken.count:,}"
            yield f"passed over in {archive.file}: {tars}, e.g. {', '.join(broken.examples)}"


def _product(inventory: Inventory, product: Product, how: str) -> None:
    resolved, mark = inventory.resolved, inventory.product(product)
    if mark is None:
        raise Vanished("files were removed meanwhile", file=str(product.files[0]))
    split = f"{product.split}: " if product.split else ""
    for line in mark.closing:
        say(f"{split}{line}")
    more = ""
    if mark.repaired is not None:
        kinds = f"{mark.repaired} repaired, {mark.dropped} dropped, {mark.refused} refused"
        more = f", {kinds}: {product.files[1]}"
    elif product.tree:
        more = f", {counted(mark.images, 'image')}"
    classes = resolved.splits[product.split].source.folder_classes if product.split else None
    if product.kind == CLASSES and classes is not None:
        say(f"{split}{classes.summary()}: {product.files[0]}")
        for note in classes.notes():
            say(f"{split}{note}")
        for differs in neighbours.disagreements(resolved):
            if differs.split == product.split:
                say(f"{split}{differs.what}")
        return
    say(f"{split}{how}: {product.place}{more}")
    if product.codec_here:
        say(f"{split}{_made_by(product.codec, product.codec_here)}")


def copies(resolved: ResolvedJob) -> None:
    """Say where copies of archives stay."""
    if resolved.is_staged:
        say(f"copies of the archives stay in {resolved.raw}: remove it when nothing reads them")


def _made_by(codec: str, here: str) -> str:
    return f"taken as it is: its images were encoded by {codec}; installed here: {here}"


def plan(resolved: ResolvedJob, found: Look) -> None:
    """Say what would be done, where a look at the images has shown which were replaced."""
    needed = preflight.needed_bytes(resolved)
    stale = Counter(family for family, _ in found.parts)
    inventory, differences = Inventory(resolved), Differences(resolved)
    for state in status.survey(inventory):
        for line in (*states(state), *planned.differing(differences, inventory, state)):
            say(line)
        again = stale[resolved.splits[state.split].shards_digest] if state.complete else 0
        if again:
            say(
                f"  would run: make {counted(again, 'shard')} again, of images that were replaced,"
                " write the manifest, set current"
            )
            needed += state.bytes_done * again // state.shards
    linked.foreseen(inventory)
    planned.tell(inventory)
    for line in planned.product_lines(differences, inventory):
        say(line)
    for product in resolved.products:
        if stale[product.digest]:
            groups = counted(stale[product.digest], "class group")
            say(f"  would run: make {groups} of {product.name} again")
    unpacked.foreseen(inventory)
    free = storage.free_bytes(resolved.out)
    room = "" if free is None else f"; free: {size(free)}"
    say(f"to write: about {size(needed)}{room}")


def failure(supervisor: Supervisor, outcome: Outcome) -> int:
    """Say what stopped a job; return its exit status."""
    for error in outcome.failures:
        say_refusal(error)
    if outcome.interrupted:
        say_failure("interrupted: the same command goes on where this one was")
        return INTERRUPTED
    refused = [error for error in outcome.failures if error.permanent]
    if refused:
        return max(error.exit_status for error in refused)
    say_failure(f"incomplete: the same command goes on where this one was; see {supervisor.log}")
    return FAILED
