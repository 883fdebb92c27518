"""What a terminal shows while a command runs, at three widths, and what is said without one."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len

from pipeline.state.progress import Count
from tasks.cli import display
from tasks.cli.bars import Bar, Rates, total_of
from tasks.cli.observer import parts_at_work
from tasks.cli.screen import ASCII, cut, screen

ARCHIVE = Bar("verify ILSVRC2012_img_train.tar", 73.2e9, 137_797_345_280, "bytes", rate=212.4e6)
TRAIN = Bar(
    "train tfrecord",
    640_583,
    1_281_167,
    "images",
    73_200_000_000,
    rate=3_214.0,
    byte_rate=367e6,
    detail="512 of 1,024 shards",
    part="train",
)
IDLE = Bar("validation tfrecord", 0, 50_000, "images", part="validation", is_begun=False)
BARS = [ARCHIVE, TRAIN, IDLE]
GOLDEN = {
    50: """
verify I…ain.tar  53%   73.2 GB  212 MB/s     5:04
train tfrecord    50%   640,583   3,214/s     3:19
validati…frecord   0%         0
total             48%   640,583   3,214/s     3:35
""",
    80: """
verify IL…train.tar ████░░░░  53%      73.2 GB/138 GB          212 MB/s     5:04
train tfrecord      ███░░░░░  50%   640,583/1,281,167 73.2 GB   3,214/s     3:19
validation tfrecord ░░░░░░░░   0%            0/50,000
total               ███░░░░░  48%   640,583/1,331,167 73.2 GB   3,214/s     3:35
""",
    140: """
verify ILSVRC2012_img_train.tar              ██████████░░░░░░░░░░  53%         73.20 GB of 137.80 GB               212.40 MB/s     5:04 left
train tfrecord                               █████████░░░░░░░░░░░  50%   640,583 of 1,281,167 images  73.20 GB  3,214 images/s     3:19 left
validation tfrecord                          ░░░░░░░░░░░░░░░░░░░░   0%            0 of 50,000 images
total                                        █████████░░░░░░░░░░░  48%   640,583 of 1,331,167 images  73.20 GB  3,214 images/s     3:35 left
""",  # noqa: E501
}


class TestAScreen:
    @pytest.mark.parametrize("width", GOLDEN)
    def test_at_a_width(self, width: int) -> None:
        assert screen(BARS, width) == GOLDEN[width].split("\n")[1:-1]

    def test_of_a_terminal_without_unicode(self) -> None:
        for line in screen([replace(TRAIN, name="x" * 99), IDLE], 80, glyphs=ASCII):
            assert line.isascii()

    @pytest.mark.parametrize("width", [50, 80, 140])
    def test_stands_still_while_figures_change(self, width: int) -> None:
        def ends(bar: Bar) -> list[int]:
            """Where the percent sign and the last figure of a line are."""
            (line,) = screen([bar], width)
            return [cell_len(line[: line.index("%")]), cell_len(line)]

        others = [
            replace(TRAIN, done=1, rate=2.0),
            replace(TRAIN, done=1_281_166, rate=99_999.0),
            replace(TRAIN, name="日本" * 40),
            replace(TRAIN, name="x\n\x1b[2Jy" * 20),
        ]
        assert {tuple(ends(bar)) for bar in others} == {tuple(ends(TRAIN))}

    def test_counts_in_one_form_from_the_beginning_to_the_end(self) -> None:
        lines = [screen([Bar("a", done, 12_000, "images")], 50)[0] for done in (0, 64, 12_000)]
        assert ["/" in line for line in lines] == [False] * 3

    @pytest.mark.parametrize("width", [*range(1, 30), 45, 46, 69, 70, 109, 110, 200])
    def test_no_line_is_wider_than_the_terminal(self, width: int) -> None:
        long = [replace(bar, name=bar.name * 9, done=bar.done * 1e9) for bar in BARS]
        for line in (*screen(BARS, width), *screen(long, width)):
            assert cell_len(line) <= width

    def test_has_no_more_lines_than_the_terminal(self) -> None:
        bars = [replace(TRAIN, name=f"split {number}", part="") for number in range(40)]
        lines = screen(bars, 80, 10)
        assert len(lines) == 10
        assert lines[-2] == "and 32 more"
        assert lines[-1].startswith("total")

    def test_says_no_rate_and_no_time_left_before_they_are_known(self) -> None:
        (line,) = screen([replace(TRAIN, rate=0.0)], 140)
        assert "/s" not in line
        assert "left" not in line


class TestATotal:
    def test_counts_an_image_once_whatever_is_made_of_it(self) -> None:
        other = replace(TRAIN, name="train recordio", done=1_281_167, bytes=1)
        total = total_of([TRAIN, other, IDLE])
        assert total is not None
        assert (total.done, total.total) == ((640_583 + 1_281_167) / 2, 1_281_167 + 50_000)
        assert total.bytes == TRAIN.bytes + 1
        assert total.rate == TRAIN.rate

    def test_is_none_of_a_single_bar(self) -> None:
        assert total_of([TRAIN]) is None
        assert total_of([]) is None


class TestRates:
    def test_an_idle_split_has_none_and_its_waiting_does_not_count(self) -> None:
        rates = Rates()
        for second in range(20):
            assert rates.rate("a", second, 100.0, at_work=False) == 0
        assert rates.rate("a", 20.0, 100.0) == 0 == rates.rate("a", 20.9, 110.0)
        assert rates.rate("a", 22.0, 130.0) == pytest.approx(10.0)  # of three seconds


def test_a_long_name_loses_its_middle() -> None:
    assert cut("verify ILSVRC2012_img_train.tar", 20, "…") == "verify ILS…train.tar"
    assert cut("short", 20, "…") == "short"
    assert cell_len(cut("日本語日本語日本語", 8, "…")) <= 8


def test_a_part_at_work_is_known_by_its_split() -> None:
    counts = [
        Count("shards", "train 3", 7, 9, "images"),
        Count("shards", "train_2 1", 5, 9, "images"),
        Count("verify", "train 4", 7, 9, "bytes"),
    ]
    assert parts_at_work(counts, "shards", "train") == {"3": 7}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    """Show the bars once, on a stream."""
    monkeypatch.setattr("tasks.run.streams.display", lambda: stream)
    monkeypatch.setattr(display, "every", _at_once)
    with display.showing(lambda _: BARS) as show:
        show()
    return stream.getvalue()


def _at_once(_: float, show: Callable[[float], None], most: float = 0) -> Callable[[], None]:
    del most
    return lambda: show(0.0)


SAID = [
    "verify ILSVRC2012_img_train.tar: 73.20 GB of 137.80 GB, 212.40 MB/s, 5:04 left",
    "train tfrecord, 512 of 1,024 shards: 640,583 of 1,281,167 images, 73.20 GB,"
    " 3,214 images/s, 367.00 MB/s, 3:19 left",
    "total: 640,583 of 1,331,167 images, 73.20 GB, 3,214 images/s, 367.00 MB/s, 3:35 left",
]
"""What is said in lines; nobody has begun with the second split."""


@pytest.mark.parametrize("width", [50, 80, 140])
def test_bars_are_drawn_on_a_terminal_without_colours(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", str(width))
    drawn = shown(_Terminal(), monkeypatch)
    for line in screen(BARS, width):
        assert f"{line}\n" in drawn
    assert "\x1b[3" not in drawn
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"TERM": "unknown"}, {"TERM": "xterm", "NO_COLOR": "1"}]
)
def test_lines_are_said_where_nothing_can_be_drawn(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert shown(_Terminal(), monkeypatch) == ""
    assert capsys.readouterr().err.splitlines() == SAID


def test_lines_are_said_without_a_terminal_whatever_is_forced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shown(io.StringIO(), monkeypatch) == ""
    assert capsys.readouterr().err.splitlines() == SAID


def test_lines_come_more_seldom_the_longer_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now, said = 0.0, list[float]()
    monkeypatch.setattr("time.monotonic", lambda: now)
    watch = display.every(5.0, said.append, 60.0)
    while now < 7_200:
        now += 1.0
        watch()
    assert said[:3] == [5.0, 10.0, 15.0]
    assert said[-1] - said[-2] == 60.0
    assert 100 < len(said) < 200
