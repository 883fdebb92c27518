"""The samples of config/ for clusters: what they start is part `auto`, and each form is right."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import botocore.session
import click
import pytest
from botocore.validate import ParamValidator
from support import ROOT

from pipeline.shards.part import AUTO, PARTS_VARIABLE, parse
from tasks.cli import cli
from tasks.cli.imagenet import imagenet

SLURM = ROOT / "config/slurm/shards.sbatch"
KUBERNETES = ROOT / "config/kubernetes/shards.yaml"
BATCH = ROOT / "config/aws-batch/job.json"
DOCUMENT = ROOT / "docs/hosts.md"


def check_words(command: str, *words: str) -> None:
    """Check that a command takes some words, and writes the part that an array says."""
    assert command == imagenet.name
    with click.Context(cli) as context:
        given = imagenet.make_context(command, list(words), parent=context).params
    assert given["part"] == AUTO


def test_the_script_for_slurm_gives_its_words_to_the_command(tmp_path: Path) -> None:
    stub = tmp_path / "shardmill"
    stub.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    stub.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_CPUS_PER_TASK": "3"}
    words = ["imagenet", "--raw", "/a folder", "--out", "/OUT"]
    run = subprocess.run(
        ["sh", SLURM, *words], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == [*words, "--part", "auto", "--workers", "3"]
    check_words(*run.stdout.splitlines())


def test_the_array_of_slurm_has_even_steps() -> None:
    text = SLURM.read_text()
    (first, last) = re.findall(r"(?m)^#SBATCH --array=(\d+)-(\d+)$", text)[0]
    directives = text.partition("#SBATCH")[0].splitlines()
    assert all(line.startswith("#") for line in directives)  # none is read behind a command
    count = str(int(last) - int(first) + 1)
    array = {"ID": last, "MIN": first, "STEP": "1", "COUNT": count}
    given = {f"SLURM_ARRAY_TASK_{name}": value for name, value in array.items()}
    assert parse(AUTO, given).count == int(count)


def test_the_job_of_batch_is_of_the_form_of_its_model() -> None:
    job: dict[str, Any] = json.loads(BATCH.read_text())
    model = botocore.session.get_session().get_service_model("batch")
    shape = model.operation_model("SubmitJob").input_shape
    report = ParamValidator().validate(job, shape)
    assert not report.has_errors(), report.generate_report()
    check_words(*job["containerOverrides"]["command"])
    assert job["arrayProperties"]["size"] > 1


def test_the_job_of_kubernetes_says_twice_how_many_parts_there_are() -> None:
    """`tests/interop` has the schemas of Kubernetes check it."""
    text = KUBERNETES.read_text()
    (completions,) = re.findall(r"(?m)^  completions: (\d+)", text)
    assert f'- name: {PARTS_VARIABLE}\n              value: "{completions}"\n' in text
    (listed,) = re.findall(r"(?m)^          args:\n((?:            - .*\n)+)", text)
    check_words(*(line.strip().removeprefix("- ") for line in listed.splitlines()))


@pytest.mark.parametrize("sample", [SLURM, KUBERNETES, BATCH], ids=lambda path: path.name)
def test_each_sample_is_in_the_document(sample: Path) -> None:
    assert str(sample.relative_to(ROOT)) in DOCUMENT.read_text()
