"""Data sets that share an output folder: names that are taken, classes numbered otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from drawnlists import encoded, lay
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.errors import OutputConflict
from pipeline.job import neighbours
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.state import claims, cleaning, preflight

ORDINARY = ("ant", "bee", "cow")


def folder(path: Path, *classes: str) -> Path:
    """Draw a folder of class folders, an image in each."""
    for number, name in enumerate(classes or ORDINARY):
        lay(path / name / "0.jpg", encoded(len(path.name) + number))
    return path


def job(images: Path, out: Path, **options: object) -> Job:
    given: dict[str, object] = {
        "raw": "",
        "config": "",
        "out": str(out),
        "images": str(images),
        "root": str(images),
        "steps": ("shards",),
        "formats": ("recordio",),
        "boxes": False,
        "recursive": True,
    }
    return Job(**(given | options))  # type: ignore[arg-type]


def made(asked: Job, *, recorded: bool = True) -> ResolvedJob:
    """Leave what a finished run of a job leaves, as far as neighbours look at it.

    Args:
        asked: the job.
        recorded: whether its record says what its outputs are, as it has since this was looked at.
    """
    resolve.cache_clear()
    resolved = resolve(asked)
    out = storage.on_this_machine(resolved.out)
    splits = {"splits": neighbours.described(resolved)} if recorded else {}
    document = {"job": asked.to_json(), "files": [], **splits}
    storage.publish_bytes(paths.job(out, resolved.digest), manifest.serialise(document))
    for name, split in resolved.splits.items():
        for output in split.outputs:
            lay(storage.on_this_machine(paths.manifest(output.folder)), b"{}")
            link = paths.current(out, output.format, name)
            link.unlink(missing_ok=True)
            link.symlink_to(output.digest)
        classes = split.source.folder_classes
        if classes is not None:
            content = classes.table.content()
            lay(paths.class_table(out, name), content)
            claims.publish(out, resolved.product(f"classes-{name}"), ())
    return resolved


def refused(asked: Job) -> OutputConflict:
    resolve.cache_clear()
    with pytest.raises(OutputConflict) as refusal:
        preflight.check_readonly(resolve(asked))
    assert refusal.value.exit_status == 2
    return refusal.value


def taken(asked: Job) -> None:
    resolve.cache_clear()
    preflight.check_readonly(resolve(asked))


@pytest.mark.parametrize(
    ("first", "second"),
    [("猫", "狗"), ("a:b", "a_b"), ("jan/train", "feb/train"), ("x.v1", "x v1")],
)
@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "of an older version"])
class TestAName:
    def test_that_is_taken_is_refused_until_another_is_given(
        self, tmp_path: Path, out: Path, first: str, second: str, recorded: bool
    ) -> None:
        made(job(folder(tmp_path / first), out), recorded=recorded)
        asked = job(folder(tmp_path / second, "ant", "bee", "cow", "dog"), out)
        refusal = refused(asked)
        assert str(tmp_path / first) in str(refusal.found)
        assert "--name" in str(refusal.remedy)
        for options in ({"name": "another"}, {"replace": True}):
            taken(job(tmp_path / second, out, **options))

    def test_that_went_over_leaves_the_first_for_clean_only_where_that_was_said(
        self, tmp_path: Path, out: Path, first: str, second: str, recorded: bool
    ) -> None:
        old = made(job(folder(tmp_path / first), out), recorded=recorded)
        new = folder(tmp_path / second, "ant", "bee", "cow", "dog")
        made(job(new, out), recorded=recorded)  # as the version before this let it
        assert cleaning.superseded(out, frozenset()) == []
        made(job(new, out, replace=True), recorded=recorded)
        (split,) = old.splits.values()
        (superseded,) = cleaning.superseded(out, frozenset())
        assert superseded.folder == split.outputs[0].folder


def test_a_name_that_went_over_is_not_taken_back_in_silence(tmp_path: Path, out: Path) -> None:
    first, second = folder(tmp_path / "x.v1"), folder(tmp_path / "x_v1", "ant", "bee")
    made(job(first, out))
    made(job(second, out, replace=True))
    assert str(second) in str(refused(job(first, out)).found)
    taken(job(second, out))


@pytest.mark.parametrize(
    "change",
    [
        lambda path: lay(path / "dog/0.jpg", encoded(9)),
        lambda path: lay(path / "ant/1.jpg", encoded(9)),
        lambda path: path,
    ],
    ids=["a class more", "an image more", "nothing"],
)
def test_the_same_folder_keeps_its_name_whatever_has_changed_in_it(
    tmp_path: Path, out: Path, change: Callable[[Path], Path]
) -> None:
    asked = job(folder(tmp_path / "train"), out)
    made(asked)
    change(tmp_path / "train")
    taken(asked)


def test_images_that_were_moved_keep_their_name(tmp_path: Path, out: Path) -> None:
    made(job(folder(tmp_path / "here/train"), out))
    (tmp_path / "here").rename(tmp_path / "there")
    taken(job(tmp_path / "there/train", out))


def test_a_folder_keeps_its_name_by_whatever_path(tmp_path: Path, out: Path) -> None:
    made(job(folder(tmp_path / "data/train"), out))
    lay(tmp_path / "data/train/dog/0.jpg", encoded(9))
    (tmp_path / "other").symlink_to(tmp_path / "data")
    (tmp_path / "train").symlink_to(tmp_path / "data/train")
    for path in ("other/train", "train"):
        taken(job(tmp_path / path, out))


def test_images_of_the_same_names_and_sizes_are_another_data_set(tmp_path: Path, out: Path) -> None:
    made(job(folder(tmp_path / "jan/train"), out))
    assert refused(job(folder(tmp_path / "feb/train"), out)).found


def test_a_name_of_which_nothing_was_made_is_free(tmp_path: Path, out: Path) -> None:
    first = resolve(job(folder(tmp_path / "jan/train"), out))
    document = {"job": first.job.to_json(), "files": []}
    storage.publish_bytes(paths.job(out, first.digest), manifest.serialise(document))
    taken(job(folder(tmp_path / "feb/train", "ant"), out))


@pytest.mark.parametrize("recorded", [True, False])
def test_a_configured_set_and_a_folder_do_not_share_a_name(
    tmp_path: Path, out: Path, small: RawSet, recorded: bool
) -> None:
    configured = small.job(out, steps=("shards",), boxes=False)
    made(configured, recorded=recorded)
    assert "configured set" in str(refused(job(folder(tmp_path / "train"), out)).found)
    taken(job(folder(tmp_path / "train"), out, name="mine"))
    elsewhere = tmp_path / "elsewhere"
    made(job(folder(tmp_path / "validation"), elsewhere), recorded=recorded)
    again = small.job(elsewhere, steps=("shards",), boxes=False)
    assert "another --out" in str(refused(again).remedy)


class TestClasses:
    def test_that_have_other_labels_are_refused_and_the_remedy_works(
        self, tmp_path: Path, out: Path
    ) -> None:
        made(job(folder(tmp_path / "train"), out))
        asked = job(folder(tmp_path / "val", "ant", "cow"), out)
        refusal = refused(asked)
        assert refusal.what == "the class cow has label 1 here, and 2 in the split train"
        table = paths.class_table(out, "train")
        assert refusal.remedy == f"say --classes {table}"
        pinned = job(tmp_path / "val", out, classes=str(table))
        taken(pinned)
        classes = resolve(pinned).splits["val"].source.folder_classes
        assert classes is not None
        assert classes.table.labels == {"ant": 0, "bee": 1, "cow": 2}
        assert classes.absent == ("bee",)

    def test_that_the_first_split_lacked_need_one_table_for_both(
        self, tmp_path: Path, out: Path
    ) -> None:
        made(job(folder(tmp_path / "val", "ant", "cow"), out))
        refusal = refused(job(folder(tmp_path / "train"), out))
        assert "names of all classes" in str(refusal.remedy)
        names = lay(tmp_path / "names.txt", b"ant\nbee\ncow\n")
        for split in ("train", "val"):
            taken(job(tmp_path / split, out, classes=str(names)))
            made(job(tmp_path / split, out, classes=str(names)))
        assert list(neighbours.disagreements(resolve(job(tmp_path / "train", out)))) == []

    def test_of_a_given_table_that_differ_from_another_split_are_said(
        self, tmp_path: Path, out: Path
    ) -> None:
        made(job(folder(tmp_path / "train"), out))
        names = lay(tmp_path / "names.txt", b"cow\nant\n")
        asked = job(folder(tmp_path / "val", "ant", "cow"), out, classes=str(names))
        taken(asked)
        (found,) = neighbours.disagreements(resolve(asked))
        assert (found.split, found.other) == ("val", "train")

    @pytest.mark.parametrize("classes", [("rose", "tulip"), ORDINARY, ("ant", "bee")])
    def test_that_agree_or_have_nothing_in_common_are_taken(
        self, tmp_path: Path, out: Path, classes: tuple[str, ...]
    ) -> None:
        made(job(folder(tmp_path / "train"), out))
        taken(job(folder(tmp_path / "other", *classes), out))


def test_a_pinned_table_enters_the_digests_and_no_table_leaves_them(tmp_path: Path) -> None:
    for size, name in enumerate(ORDINARY, start=1):
        lay(tmp_path / "train" / name / "0.jpg", b"x" * size)
    found = []
    for names in (b"", b"ant\nbee\ncow\n", b"ant\nbee\ncow\ndog\n"):
        given = {"classes": str(lay(tmp_path / f"{len(names)}.txt", names))} if names else {}
        (split,) = resolve(job(tmp_path / "train", tmp_path / "out", **given)).splits.values()
        found.append((split.rows_digest, split.outputs[0].digest))
    assert found[0] == ("1e799a4be9db", "a69e6e6baf90")  # as before there were tables
    assert len(set(found)) == 3
