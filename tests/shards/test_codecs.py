"""What another Pillow does to what is finished, half done, or not yet there."""

from __future__ import annotations

import shutil
from pathlib import Path

import inprocess
import pytest
from drawnlists import ListedSet, current, draw_list
from support import RawSet, products, timings

from pipeline import paths
from pipeline.errors import EnvironmentRefused
from pipeline.images import codec

OTHER = "pillow 99.1 / libjpeg-turbo 9.9.9"
FORMATS = ("--format", "recordio", "--format", "tfrecord")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    """A drawn list; never changed by a test."""
    return draw_list(tmp_path_factory.mktemp("drawn"), images=12)


@pytest.fixture(autouse=True)
def _clear() -> object:
    yield
    inprocess.forget()


class Command:
    """One ``shardmill imagelist --resize`` command."""

    def __init__(self, patch: pytest.MonkeyPatch, drawn: ListedSet, out: Path) -> None:
        self.patch, self.drawn, self.out = patch, drawn, out

    def __call__(self, *options: object) -> inprocess.Ran:
        words = ("imagelist", self.drawn.path, "--root", self.drawn.root, "--out", self.out)
        shards = ("--resize", 16, "--shards", 3, *FORMATS)
        return inprocess.shardmill(self.patch, *words, *shards, *options)

    def say(self, *words: object) -> inprocess.Ran:
        return inprocess.shardmill(self.patch, *words)

    def install(self, other: str = OTHER) -> None:
        """Another Pillow is there from now on."""
        self.patch.setattr("pipeline.images.repair.codec", lambda: other)

    def uninstall(self) -> None:
        """No Pillow is there from now on."""

        def refuse() -> str:
            raise EnvironmentRefused("images cannot be decoded", remedy="pip install pillow-simd")

        self.patch.setattr("pipeline.images.repair.codec", refuse)
        self.patch.setattr(codec, "installed_version", refuse)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, out: Path) -> Command:
    """The command, and what is done to it."""
    return Command(monkeypatch, drawn, out)


def outputs(out: Path) -> set[Path]:
    found = (folder for name in ("recordio", "tfrecord") for folder in out.glob(f"{name}/*/*"))
    return {path for path in found if not path.is_symlink()}


@pytest.mark.parametrize("gone", [False, True])
def test_a_finished_output_of_another_codec_is_taken_as_it_is(command: Command, gone: bool) -> None:
    assert command().status == 0
    before, ran, made_by = products(command.out), len(timings(command.out)), codec.identity()
    command.uninstall() if gone else command.install()
    for options in ((), ("--dry-run",)):
        run = command(*options)
        assert run.status == 0, run.said
        assert run.said.count("already complete") == 2
        assert run.said.count(f"encoded by {made_by}") == 2
    assert products(command.out) == before
    assert len(timings(command.out)) == ran
    assert command.say("status", command.out).status == 0


def test_one_that_is_half_done_is_refused_with_both_names_and_what_to_install(
    command: Command,
) -> None:
    assert command().status == 0
    made_by, before = codec.identity(), outputs(command.out)
    next(current(command.out, "recordio").glob("*.rec")).unlink()
    command.install()
    state = command.say("status", command.out)
    assert (state.status, "2 of 3 shards" in state.said) == (1, True)
    for options in ((), ("--dry-run",)):
        run = command(*options)
        assert run.status == 2
        for words in (made_by, OTHER, codec.how_to_install(made_by)):
            assert words in run.said
    assert outputs(command.out) == before
    # Either remedy: what it was begun with goes on, and without its folder it is made anew.
    folder = current(command.out, "recordio")
    shutil.rmtree(folder)
    run = command()
    assert run.status == 0, run.said
    assert current(command.out, "recordio") != folder
    assert "tfrecord: taken as it is" in run.said


def test_the_codec_that_it_was_begun_with_goes_on(command: Command) -> None:
    assert command().status == 0
    before = products(command.out)
    next(current(command.out, "recordio").glob("*.rec")).unlink()
    command.install()
    assert command().status == 2
    command.install(codec.identity())
    assert command().status == 0
    assert products(command.out) == before


def test_a_job_that_was_killed_before_its_first_manifest_is_known_by_its_record(
    command: Command,
) -> None:
    assert command().status == 0
    for folder in outputs(command.out):
        paths.manifest(folder).unlink()
        (folder.parent / "current").unlink()
    command.install()
    run = command()
    assert run.status == 2
    assert OTHER in run.said


def test_a_new_output_is_made_by_the_codec_that_is_there(command: Command) -> None:
    assert command().status == 0
    before = outputs(command.out)
    command.install()
    run = command("--quality", 70)
    assert run.status == 0, run.said
    assert "taken as it is" not in run.said
    assert len(outputs(command.out)) == 2 * len(before)


def test_without_any_codec_what_needs_one_is_refused_and_the_rest_is_not(
    command: Command, drawn: ListedSet
) -> None:
    command.uninstall()
    run = command()
    assert (run.status, "pip install pillow-simd" in run.said) == (1, True)
    assert not command.out.exists()
    where = ("imagelist", drawn.path, "--root", drawn.root, "--out", command.out)
    run = command.say(*where, "--format", "tfrecord")  # of PNGs it makes JPEGs
    assert (run.status, "pip install pillow-simd" in run.said) == (1, True)
    assert command.say(*where, "--format", "recordio").status == 0


def test_verify_says_which_images_it_could_not_make_again(command: Command) -> None:
    assert command("--format", "webdataset").status == 0
    none = "0 compared with their sources, 12 not compared: encoded by pillow-simd"
    for state, said in (("", "12 compared with their sources"), ("other", none), ("gone", none)):
        if state:
            command.install() if state == "other" else command.uninstall()
        run = inprocess.verify(command.patch, command.out, "--against", command.drawn.root)
        assert run.status == 0, run.said
        assert run.said.count(said) == 3
    assert "pip install pillow-simd" in run.said


def test_the_first_run_and_verify_say_that_pillow_was_installed_over_pillow_simd(
    command: Command,
) -> None:
    versions = {"pillow-simd": "98.0.post0", "pillow": codec.installed_version()}
    command.patch.setattr(codec, "distribution_version", versions.get)
    assert "was installed over pillow-simd 98.0.post0" in command().said
    assert "was installed over" not in command().said
    run = inprocess.verify(command.patch, command.out)
    assert (run.status, "was installed over" in run.said) == (0, True)


class TestSmallerTrees:
    """raw256's trees, whose paths carry no digest."""

    WORDS = ("--format", "none", "--export", "raw256", "--no-boxes", "--split", "validation")

    def prepare(self, command: Command, small: RawSet, *options: object) -> inprocess.Ran:
        where = ("--raw", small.raw, "--config", small.config, "--out", command.out)
        return command.say("imagenet", *where, *self.WORDS, *options)

    @pytest.mark.parametrize("gone", [False, True])
    def test_a_finished_one_is_taken_as_it_is(
        self, command: Command, small: RawSet, gone: bool
    ) -> None:
        assert self.prepare(command, small).status == 0
        before, made_by = products(command.out), codec.identity()
        command.uninstall() if gone else command.install()
        run = self.prepare(command, small)
        assert (run.status, "already complete" in run.said) == (0, True), run.said
        assert f"taken as it is: its images were encoded by {made_by}" in run.said
        assert products(command.out) == before

    def test_a_half_done_one_is_refused_and_can_be_replaced(
        self, command: Command, small: RawSet
    ) -> None:
        assert self.prepare(command, small).status == 0
        before, made_by = products(command.out), codec.identity()
        next(command.out.glob("val256/*/*.JPEG")).unlink()
        command.install()
        run = self.prepare(command, small)
        assert run.status == 2
        for words in (made_by, OTHER, codec.how_to_install(made_by), "--replace"):
            assert words in run.said
        run = self.prepare(command, small, "--replace")
        assert run.status == 0, run.said
        assert "taken as it is" not in run.said
        assert products(command.out).keys() == before.keys()
        assert self.prepare(command, small).status == 0
