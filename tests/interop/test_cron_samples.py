"""The samples for cron, systemd and logrotate, as written, in what cron and systemd start from."""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support import ROOT, RawSet

from pipeline.errors import ShardmillError
from tasks.run import scheduler

CONFIG = ROOT / "config"
UNITS = CONFIG / "systemd"
PROGRAMS = "/opt/shardmill/bin"
CRON = {"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "LOGNAME": "somebody"}
"""What cron gives, beside HOME: Debian's as well as others."""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the programs that the samples look for in `PROGRAMS`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, module in (("shardmill", "tasks.cli"), ("luigid", "luigi.cmdline")):
        main = "main" if module == "tasks.cli" else "luigid"
        path = folder / name
        path.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"from {module} import {main}\n{main}()\n"
        )
        path.chmod(0o755)
    return folder


def crontab(changed: Mapping[str, object]) -> tuple[dict[str, str], str]:
    """Return the settings of the sample, some of them changed, and the command of its one job."""
    settings, jobs = dict[str, str](), list[str]()
    for line in (CONFIG / "cron.example").read_text().splitlines():
        name, equals, value = line.partition("=")
        if line.startswith("#") or not line:
            continue
        if equals and name.isidentifier():
            settings[name] = value
        else:
            *when, command = line.split(maxsplit=5)
            assert len(when) == 5
            jobs.append(command)
    (job,) = jobs
    assert changed.keys() <= settings.keys()
    return settings | {name: str(value) for name, value in changed.items()}, job


def started_by_cron(
    settings: Mapping[str, str], job: str, home: Path
) -> subprocess.CompletedProcess[str]:
    """Start a job as cron does: in the home folder, without a terminal, by a session of its own."""
    environment = {**CRON, "HOME": str(home), **settings}
    return subprocess.run(
        ["/bin/sh", "-c", job],
        env=environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )


def test_the_crontab_prepares_then_says_nothing_and_gives_way(
    small: RawSet, programs: Path, tmp_path: Path
) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    files = {"LOG": tmp_path / "a.log", "METRICS": tmp_path / "a.prom"}
    where = {"SHARDMILL": programs / "shardmill", "RAW": small.raw, "OUT": out}
    settings, job = crontab(files | where)
    job = job.replace(" --update ", f" --config {small.config} --update ")
    for _ in ("made", "nothing to do"):
        ran = started_by_cron(settings, job, home)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    list(text_string_to_metric_families(files["METRICS"].read_text()))
    before = files["METRICS"].read_bytes()
    next(out.glob("tfrecord/train/current/train-*")).unlink()  # something to do
    with (out / ".shardmill" / "run.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        ran = started_by_cron(settings, job, home)
    assert (ran.returncode, "another command is at work" in ran.stderr) == (10, True)
    assert files["METRICS"].read_bytes() == before
    assert files["LOG"].read_text().count(" ended with status 0") == 2
    assert list(home.iterdir()) == []


def units(folder: Path, programs: Path) -> list[Path]:
    """Return copies of the units that start programs which are there."""
    folder.mkdir()
    for unit in UNITS.iterdir():
        (folder / unit.name).write_text(unit.read_text().replace(PROGRAMS, str(programs)))
    return sorted(folder.iterdir())


def test_systemd_understands_the_units(programs: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here: sh .ci/system-packages interop")
    copies = units(tmp_path / "units", programs)
    assert {unit.suffix for unit in copies} == {".service", ".timer"}
    ran = subprocess.run([analyze, "verify", *copies], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    wrong = copies[0].with_name("wrong.service")
    wrong.write_text("[Service]\nExecStart=/no/such/program\nRestrat=always\n")
    ran = subprocess.run([analyze, "verify", wrong], capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "Restrat" in ran.stderr


def words_of(unit: str, changed: Mapping[str, object]) -> list[str]:
    """Return the command of a unit, some of its words changed."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / unit)
    words = shlex.split(parser["Service"]["ExecStart"])
    assert changed.keys() <= set(words)
    return [str(changed.get(word, word)) for word in words]


def test_the_service_prepares(small: RawSet, programs: Path, tmp_path: Path) -> None:
    words = words_of(
        "shardmill.service",
        {
            f"{PROGRAMS}/shardmill": programs / "shardmill",
            "/data/raw": small.raw,
            "/data/out": tmp_path / "out",
            "/var/log/shardmill/imagenet.log": tmp_path / "a.log",
            "/var/lib/prometheus/node-exporter/shardmill.prom": tmp_path / "a.prom",
        },
    )
    ran = subprocess.run(
        [*words, "--config", small.config],
        env={"PATH": "/usr/bin:/bin", "USER": "shardmill"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "complete" in ran.stdout


@contextlib.contextmanager
def at_work(words: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a program run in this context."""
    environment = {"PATH": "/usr/bin:/bin"}
    with subprocess.Popen(words, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as run:
        try:
            yield run
        finally:
            run.terminate()


def test_the_luigid_answers_and_keeps_its_state(programs: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    state, logs = tmp_path / "state.pickle", tmp_path / "logs"
    logs.mkdir()
    changed = {
        f"{PROGRAMS}/luigid": programs / "luigid",
        "8082": port,
        "/var/lib/luigid/state.pickle": state,
        "/var/log/luigid": logs,
    }
    with at_work(words_of("luigid.service", changed), tmp_path) as run:
        while run.poll() is None:
            with contextlib.suppress(ShardmillError):
                scheduler.check_luigid(("127.0.0.1", port))
                break
            time.sleep(0.1)
        assert run.poll() is None, "it has ended by itself"
    assert state.is_file()
    assert os.listdir(logs)


def test_logrotate_takes_the_rule(tmp_path: Path) -> None:
    logrotate = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
    if logrotate is None:
        pytest.skip("there is no logrotate here: sh .ci/system-packages interop")
    rule, log = tmp_path / "rule", tmp_path / "imagenet.log"
    text = (CONFIG / "logrotate.example").read_text()
    assert "/var/log/shardmill/" in text
    rule.write_text(text.replace("/var/log/shardmill/", f"{tmp_path}/"))
    log.write_text("a line\n")
    for _ in range(2):
        subprocess.run([logrotate, "--force", "--state", tmp_path / "state", rule], check=True)
        log.write_text("another\n")
    names = {path.name for path in tmp_path.glob("imagenet.log*")}
    assert names == {"imagenet.log", "imagenet.log.1", "imagenet.log.2.gz"}
