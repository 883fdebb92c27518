"""The processes of a command: how one that comes to nothing is reported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import forked
import pytest
from drawnlists import lay
from support import RawSet

from pipeline.state import progress
from pipeline.state.progress import Timing
from tasks.cli import report
from tasks.run import supervisor as supervisor_module
from tasks.run.supervisor import Outcome, Supervisor


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits between workers."""
    monkeypatch.setattr(supervisor_module, "_PAUSE_S", 0.01)
    monkeypatch.setattr(supervisor_module, "_POLL_S", 0.02)


@pytest.mark.usefixtures("impatient")
class TestAWorkerThatDiesAtOnce:
    @pytest.fixture
    def supervisor(
        self, small: RawSet, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Supervisor:
        """A command whose workers cannot import a module that they need."""
        job = small.job(out, steps=("verify",))
        code = "#!/bin/sh\necho Traceback >&2\necho 'ImportError: no such thing' >&2\nexit 1\n"
        broken = lay(tmp_path / "python", code.encode())
        broken.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(broken))
        return Supervisor(job, workers=1)

    def run(self, supervisor: Supervisor) -> Outcome:
        return supervisor.run(lambda: None, lambda _: None)

    def test_it_is_reported_with_the_last_line_of_its_log(self, supervisor: Supervisor) -> None:
        outcome = self.run(supervisor)
        assert not outcome.complete
        (error,) = outcome.failures
        assert error.file == str(supervisor.log)
        assert "status 1" in str(error.found)
        assert "ImportError: no such thing" in str(error.found)

    def test_nobody_is_told_that_the_same_command_goes_on(
        self, supervisor: Supervisor, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert report.failure(supervisor, self.run(supervisor)) == 1
        said = capsys.readouterr().err
        assert "ImportError: no such thing" in said
        assert "goes on" not in said

    def test_a_worker_that_was_killed_is_reported_with_the_signal(
        self, supervisor: Supervisor
    ) -> None:
        Path(sys.executable).write_text("#!/bin/sh\nkill -KILL $$\n")
        (error,) = self.run(supervisor).failures
        assert "SIGKILL" in str(error.found)
        assert "nothing" in str(error.found)


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_came_to_a_task_may_go_on(
    small: RawSet, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"#!{sys.executable}\nimport os\n"
    code += "os.write(int(os.environ['SHARDMILL_REPORT']), b'begun\\n')\nos.kill(os.getpid(), 9)\n"
    broken = lay(tmp_path / "python", code.encode())
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    supervisor = Supervisor(small.job(out, steps=("verify",)), workers=1)
    outcome = supervisor.run(lambda: None, lambda _: None)
    assert outcome == Outcome(complete=False, interrupted=False, failures=())


@pytest.mark.parametrize("obstacle", ["a full disk", "a folder"])
def test_a_log_that_cannot_be_written_decides_nothing(
    small: RawSet, out: Path, obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", forked.ForkedPopen)
    supervisor = Supervisor(small.job(out, steps=("verify",)), workers=1)
    supervisor.log.parent.mkdir(parents=True)
    if obstacle == "a folder":
        supervisor.log.mkdir()
    else:
        supervisor.log.symlink_to("/dev/full")
    said = list[str]()
    assert supervisor.run(lambda: None, said.append).complete
    assert len(said) == (obstacle == "a folder")
    assert all(str(supervisor.log) in line for line in said)


@pytest.mark.usefixtures("impatient")
class TestAStepThatIsDoneAgainAndAgain:
    def outcome(
        self, small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch, name: Callable[[int], str]
    ) -> tuple[Outcome, int]:
        """Run a command whose workers finish one step each, and never all of them."""
        supervisor = Supervisor(small.job(out, steps=("verify",)), workers=1)
        launches = 0

        def work(*_: object) -> int:
            nonlocal launches
            launches += 1
            assert launches < 100
            if launches <= 20:
                timing = Timing("extract", name(launches), 0.0, 1.0, 1, 1)
                progress.note(out, supervisor.name, timing)
            return 0

        monkeypatch.setattr(supervisor, "_work", work)
        return supervisor.run(lambda: None, lambda _: None), launches

    def test_ends_the_command_which_names_it(
        self, small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outcome, launches = self.outcome(small, out, monkeypatch, lambda _: "classes 3")
        assert launches == 6
        (error,) = outcome.failures
        assert not outcome.complete
        assert (error.exit_status, error.place) == (1, "extract: classes 3")
        assert "again and again" in error.what

    def test_is_not_taken_for_many_steps(
        self, small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outcome, launches = self.outcome(small, out, monkeypatch, lambda n: f"classes {n}")
        assert launches == 20 + 3
        assert outcome.failures == ()
