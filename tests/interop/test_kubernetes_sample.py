"""The sample for Kubernetes, checked against the schemas that its own versions have."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from support import ROOT

from pipeline.shards.part import AUTO, PARTS_VARIABLE, parse

SAMPLE = ROOT / "config/kubernetes/shards.yaml"
CHECKER = Path(__file__).with_name("readers") / "check_kubernetes.py"


def check(document: Path) -> subprocess.CompletedProcess[str]:
    given = os.environ.get("SHARDMILL_KUBERNETES_PYTHON")
    python = given or str(ROOT / ".venv-kubernetes" / "bin" / "python")
    return subprocess.run([python, CHECKER, document], capture_output=True, text=True, check=False)


def test_the_sample_is_an_indexed_job_of_as_many_parts_as_it_says() -> None:
    run = check(SAMPLE)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["mode"] == "Indexed"
    last = {"JOB_COMPLETION_INDEX": str(found["completions"] - 1), **found["environment"]}
    assert parse(AUTO, last).count == found["completions"]
    assert PARTS_VARIABLE in found["environment"]
    assert f"--part={AUTO}" in found["args"]


def test_the_checker_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SAMPLE.read_text().replace("completions: 100", "completion: 100"))
    assert check(wrong).returncode != 0
