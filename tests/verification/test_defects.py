"""Documents of another shape are findings; a defect of a check is none."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from unittest.mock import Mock

import inprocess
import pytest
from drawnlists import ListedSet, draw_list

from pipeline import manifest


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    """A drawn list; never changed by a test."""
    return draw_list(tmp_path_factory.mktemp("drawn"), images=8)


class TestVerify:
    def prepare(
        self, patch: pytest.MonkeyPatch, drawn: ListedSet, out: Path, *options: object
    ) -> None:
        words = ("imagelist", drawn.path, "--root", drawn.root, "--out", out, "--shards", 2)
        run = inprocess.shardmill(patch, *words, "--format", "recordio", *options)
        assert run.status == 0, run.said

    @pytest.mark.parametrize(
        ("place", "error"),
        [
            ("shardcheck.check_shard", TypeError),
            ("productcheck.check_files", KeyError),
            ("outputcheck.check_facts", AttributeError),
            ("outputcheck.check_whole", ValueError),
        ],
    )
    def test_a_defect_of_a_check_is_no_finding_and_removes_nothing(
        self,
        monkeypatch: pytest.MonkeyPatch,
        drawn: ListedSet,
        out: Path,
        place: str,
        error: type[Exception],
    ) -> None:
        self.prepare(monkeypatch, drawn, out, "--joined")
        before = sorted(path for path in out.rglob("*") if path.is_file())

        def fail(*_: object) -> None:
            raise error("a defect")

        monkeypatch.setattr(f"pipeline.verification.{place}", fail)
        run = inprocess.verify(monkeypatch, out, "--remove-damaged")
        assert run.status == 1
        assert "internal error" in run.said
        assert "says nothing of the data" in run.said
        assert "in fail" in run.said, "no traceback"
        assert "problem" not in run.said
        assert sorted(path for path in out.rglob("*") if path.is_file()) == before

    @pytest.mark.parametrize("error", [OSError(errno.EMFILE, "too many"), MemoryError()])
    def test_a_machine_that_is_short_of_something_is_no_defect(
        self, monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, out: Path, error: Exception
    ) -> None:
        self.prepare(monkeypatch, drawn, out)
        checked = Mock(side_effect=error)
        monkeypatch.setattr("pipeline.verification.shardcheck.check_shard", checked)
        with pytest.raises(type(error)):  # `main` says it in the system's words
            inprocess.verify(monkeypatch, out)
        assert checked.called

    def test_a_manifest_of_another_version_is_a_finding_that_names_the_place(
        self, monkeypatch: pytest.MonkeyPatch, drawn: ListedSet, out: Path
    ) -> None:
        self.prepare(monkeypatch, drawn, out)
        path = out / "recordio/images/current/manifest.json"
        document = json.loads(path.read_text())
        document["parameters"]["label_offset"] = "one"
        path.write_bytes(manifest.serialise(document))
        run = inprocess.verify(monkeypatch, out)
        assert (run.status, "$.parameters.label_offset" in run.said) == (1, True)

    def test_a_superseded_output_is_not_compared_with_what_its_sources_are_now(
        self, monkeypatch: pytest.MonkeyPatch, out: Path, tmp_path: Path
    ) -> None:
        drawn = draw_list(tmp_path / "drawn", images=8)
        self.prepare(monkeypatch, drawn, out)
        victim = drawn.root / drawn.names[0]
        victim.write_bytes(victim.read_bytes() + b"longer")
        self.prepare(monkeypatch, drawn, out)
        run = inprocess.verify(monkeypatch, out, "--against", drawn.root)
        assert run.status == 0, run.said
        assert run.said.count("superseded: not compared with its sources") == 1
        assert run.said.count("8 compared with their sources") == 1
