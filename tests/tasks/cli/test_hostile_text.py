"""Names of others reach the screen as text: no line is forged, nothing is obeyed."""

from __future__ import annotations

import io
import json
import logging
import shlex
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from drawnlists import ListedSet, draw_list, encoded, lay
from inprocess import Ran, shardmill, verify
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.errors import BadImage, ShardmillError
from pipeline.job.options import Job
from tasks.archives import VerifyArchive
from tasks.cli import cli, display, saying, voices
from tasks.cli.bars import Bar
from tasks.cli.rerun_command import CommandLine, command_line
from tasks.cli.screen import screen
from tasks.run import plainlogs

NAME = "x\nFORGED\r\x1b[2J\x1b]0;t\x07\x9b\u2028FORGED\u202e"
SHOWN = r"x\nFORGED\r\x1b[2J\x1b]0;t\x07\x9b\u2028FORGED\u202e"
FORMAT = ("--format", "recordio")


def assert_plain(said: str) -> None:
    """Nothing but text and ends of lines, and no line that a name of others begins."""
    lines = said.split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if line.strip().startswith("FORGED")] == []


def reseal(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    document = json.loads(path.read_bytes())
    document.pop("sha256", None)
    change(document)
    path.write_bytes(manifest.serialise(document))


@pytest.fixture
def listed(tmp_path: Path) -> ListedSet:
    """A list of a few images."""
    return draw_list(tmp_path / "data", images=4)


@pytest.fixture
def finished(listed: ListedSet, out: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output that somebody else has had in their hands since."""
    words = ("imagelist", listed.path, "--root", listed.root, "--out", out, *FORMAT)
    assert shardmill(monkeypatch, *words).status == 0
    return out


def change_job(out: Path, **options: object) -> None:
    """Change the recorded job, and seal the record as its writer would."""

    def change(document: dict[str, object]) -> None:
        job = json.loads(str(document["job"])) | options
        document["job"] = json.dumps(job)

    for path in (paths.last_job(out), *storage.documents(paths.jobs(out))):
        reseal(path, change)


def commands(monkeypatch: pytest.MonkeyPatch, out: Path) -> Iterator[Ran]:
    yield shardmill(monkeypatch, "status", out)
    yield verify(monkeypatch, out)
    yield verify(monkeypatch, out, "--remove-damaged")
    yield shardmill(monkeypatch, "clean", out, answer="n\n")


class TestAnOutputFromElsewhere:
    def test_says_names_of_marks_and_files_as_text(
        self, finished: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mark = {"files": [{"file": NAME, "bytes": 1, "xxh3_128": "0" * 32}], "made_of": {}}
        for name in (NAME, f"tree-{NAME}"):
            lay(paths.product_marks(finished) / f"{name}.json", manifest.serialise(mark))
        lay(paths.state(finished) / ".\x1b[2J\rFORGED.some-host-99-deadbeef.tmp", b"")
        lay(finished / "recordio" / NAME / "aaaaaaaaaaaa" / NAME, b"")
        lay(next(finished.glob("recordio/*/current/")) / NAME, b"")
        said = [ran.said for ran in commands(monkeypatch, finished)]
        for each in said:
            assert_plain(each)
        assert SHOWN in said[1]
        assert r"/.\x1b[2J\rFORGED.some-host-99-deadbeef.tmp belongs to" in said[3]

    def test_says_a_recorded_job_as_text_and_offers_no_command_of_it(
        self, finished: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change_job(finished, images=f"/data/{NAME}.lst")
        next(finished.glob("recordio/*/current/*.rec")).write_bytes(b"")
        said = [ran.said for ran in commands(monkeypatch, finished)]
        for each in said:
            assert_plain(each)
        assert "command: not shown, for the recorded job holds characters" in said[0]
        assert "shardmill imagelist" not in "".join(said)

    def test_says_how_a_command_ended_without_forged_lines(
        self, finished: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (end,) = finished.glob(".shardmill/runs/*/end.json")
        change = {"status": 1, "reason": f"{NAME}\nno command is at work"}
        end.write_text(json.dumps(json.loads(end.read_text()) | change))
        said = shardmill(monkeypatch, "status", finished).said
        assert said.split("\n").count("no command is at work") == 1
        assert "\x1b" not in said


def test_a_command_to_paste_is_quoted_and_shows_all_that_the_shell_gets() -> None:
    words = ["shardmill", "imagelist", "/d/a b;'$(x)`.lst", "--out", "/日本/\u3000x"]
    assert shlex.split(CommandLine(words).offer) == words
    for hidden in ("\x1b[8m", "\n", "\u202e", "\u200b", "\udcff", "\xad"):
        offer = CommandLine([*words, hidden]).offer
        assert offer.startswith("not shown")
        assert "shardmill imagelist" not in offer
        assert offer.isprintable()


class TestInputsOfOthers:
    def imagenet(self, monkeypatch: pytest.MonkeyPatch, raw: RawSet, out: Path) -> Ran:
        words = ("--raw", raw.raw, "--config", raw.config, "--out", out, *FORMAT)
        return shardmill(monkeypatch, "imagenet", *words)

    def repack(self, raw: RawSet, archive: str, name: str) -> None:
        """Put a file of a hostile name in front of what an archive holds."""
        path = next(raw.raw.glob(archive))
        target = io.BytesIO()
        with tarfile.open(path) as old, tarfile.open(fileobj=target, mode="w") as new:
            info = tarfile.TarInfo(name)
            info.size = len(encoded())
            new.addfile(info, io.BytesIO(encoded()))
            for member in old:
                new.addfile(member, old.extractfile(member))
        path.write_bytes(target.getvalue())
        raw.repin(path.name)

    @pytest.mark.parametrize("archive", ["*img_train.tar", "*img_val.tar"])
    def test_a_member_of_an_archive(
        self, small: RawSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: str
    ) -> None:
        raw = small.copy(tmp_path / "raw")
        self.repack(raw, archive, NAME)
        ran = self.imagenet(monkeypatch, raw, tmp_path / "out")
        assert ran.status == 3
        assert SHOWN.partition(r"\u2028")[0] in ran.said
        assert_plain(ran.said)

    def test_an_annotation(
        self, small: RawSet, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = small.copy(tmp_path / "raw")
        self.repack(raw, "*bbox_train*", f"{NAME}/{NAME}.xml")
        ran = self.imagenet(monkeypatch, raw, out)
        assert ran.status == 0
        assert "1 annotation cannot be read, e.g. x\\nFORGED" in ran.said
        assert_plain(ran.said)
        report = (out / "bboxes.report.csv").read_text()
        assert_plain(report)
        assert SHOWN in report

    def test_a_class_of_the_label_table_is_refused_before_an_archive_is_read(
        self, small: RawSet, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raw = small.copy(tmp_path / "raw")
        table = next(raw.config.parent.rglob("synsets.tsv"))
        lines = table.read_text().splitlines()
        lines[1] = "\t".join(["../x\x1b[2J", *lines[1].split("\t")[1:]])
        table.write_text("\n".join(lines))
        for archive in raw.raw.glob("*.tar*"):
            archive.write_bytes(b"no archive")
        ran = self.imagenet(monkeypatch, raw, out)
        assert ran.status == 2
        assert f"{table}: a WNID that can be no class" in ran.said
        assert "line 2" in ran.said
        assert_plain(ran.said)
        assert not out.exists()

    def test_a_line_of_a_list(
        self, listed: ListedSet, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed.add("9\t0\tcats/x\x1b]0;t\x07\r\u2028FORGED.jpg")
        words = ("--root", listed.root, "--out", out, *FORMAT)
        for ran in (
            shardmill(monkeypatch, "imagelist", listed.path, *words),
            shardmill(monkeypatch, "im2rec", listed.path.with_suffix(""), listed.root),
        ):
            assert ran.status == 3
            assert "line 5" in ran.said
            assert_plain(ran.said)

    def test_what_is_passed_over_in_a_folder(
        self, listed: ListedSet, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lay(listed.root / "cats" / f"._{NAME}", b"")
        lay(listed.root / "cats" / f"{NAME}.txt", b"")
        for words in (
            ("imagelist", listed.root, "--recursive", "--out", out, *FORMAT),
            ("im2rec", "--list", "--recursive", out / "made", listed.root),
        ):
            ran = shardmill(monkeypatch, *words)
            assert ran.status == 0, ran.said
            assert SHOWN in ran.said
            assert_plain(ran.said)


class TestTheEdges:
    def test_a_text_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        saying.say(NAME)
        saying.say(BadImage(NAME, found=NAME))
        saying.say_refusal(BadImage(NAME, file=NAME))
        try:
            raise ValueError(NAME)
        except ValueError as error:
            saying.say_traceback(error)
        said, complained = capsys.readouterr()
        assert said.split("\n") == [SHOWN, SHOWN, f"  found:    {SHOWN}", ""]
        assert complained.startswith(f"shardmill: {SHOWN}: {SHOWN}\n  Traceback")
        assert all(line.startswith("  ") for line in complained.split("\n")[1:-1])

    def test_a_bar_of_the_display(self, capsys: pytest.CaptureFixture[str]) -> None:
        bars = [Bar(f"[red]{NAME}", 1, 1, "images")]
        display.Lines().say(bars)
        for said in ("\n".join(screen(bars, 300)), capsys.readouterr().err):
            assert f"[red]{SHOWN}" in said
            assert_plain(said)

    def test_a_log_of_a_command(self, tmp_path: Path) -> None:
        file = tmp_path / "a.log"
        with (
            voices.Log.opened(str(file)) as log,
            saying.speaking(voices.Logged(log, voices.Quiet())),
        ):
            saying.say(NAME)
            saying.say_progress(NAME)
            saying.say_refusal(BadImage(NAME, file=NAME))
            saying.say(f"a\udcff{NAME}", err=True)
        lines = file.read_text().split("\n")
        assert len(lines) == 5
        assert all(line.isprintable() for line in lines)
        assert [line for line in lines[:-1] if not line[:4].isdecimal()] == []
        assert f" INFO {SHOWN}" in lines[0]

    def test_a_word_on_the_command_line(self) -> None:
        with pytest.raises(click.ClickException) as error:
            cli.main(["im2rec", NAME], standalone_mode=False)
        assert error.value.message.isprintable()
        result = CliRunner().invoke(cli, ["clean", f"--{NAME}"])
        assert result.exit_code == 2

    def test_a_record_of_luigis_log(self) -> None:
        stream = io.StringIO()
        logger, handler = logging.getLogger("luigi-interface.test"), logging.StreamHandler(stream)
        plainlogs.install()
        logger.addHandler(handler)
        logger.propagate = False
        try:
            raise ValueError(NAME)
        except ValueError:
            logger.exception("task %s of %d", NAME, 3)
        logger.warning(f"two\nlines of {NAME}")
        logger.warning("%(name)s", {"name": NAME})
        logger.removeHandler(handler)
        lines = stream.getvalue().split("\n")
        assert lines[0] == f"task {SHOWN} of 3"
        assert lines[1].startswith("    Traceback")
        assert all(line.isprintable() for line in lines)
        unindented = [line for line in lines if line and not line.startswith("    ")]
        assert unindented == [f"task {SHOWN} of 3", "two", SHOWN]

    def test_a_record_of_somebody_elses_log_is_left_alone(self) -> None:
        plainlogs.install()
        record = logging.getLogRecordFactory()("other", 20, "", 1, NAME, (), None)
        assert record.getMessage() == NAME

    def test_what_luigis_pages_and_mail_say_of_a_failure(self, small: RawSet, out: Path) -> None:
        task = VerifyArchive(out=str(out), archive="a.tar", md5="0", job=small.job(out))
        try:
            raise ShardmillError(NAME, found=NAME)
        except ShardmillError as error:
            told = task.on_failure(error)
        first, *rest = told.split("\n")
        assert first == "Runtime error:"
        assert all(line.startswith("    ") and line.isprintable() for line in rest)
        assert SHOWN in told


def test_a_job_that_begins_like_an_option_is_none_when_it_is_pasted(out: Path) -> None:
    job = Job("", str(out), "", steps=("shards",), boxes=False, images="--help", root="/r")
    command = command_line(job)
    assert command is not None
    assert "imagelist ./--help" in command.offer
