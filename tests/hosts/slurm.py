"""A real Slurm on loopback: one node, no munge, no accounting, no cgroups."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from s3servers import free_ports

PROGRAMS: Final = ("slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel")
_PATIENCE_S: Final = 60.0
_CONFIGURATION: Final = """\
ClusterName=test
SlurmctldHost={node}(127.0.0.1)
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny
KillWait=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={controller}
SlurmdPort={daemon}
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=16000 State=UNKNOWN
PartitionName=all Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""
_CGROUP: Final = """\
CgroupPlugin=cgroup/v1
CgroupMountpoint={folder}/cgroup
CgroupAutomount=no
IgnoreSystemd=yes
"""


def missing() -> list[str]:
    """Return the programs of Slurm that are not here."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


@dataclass
class Slurm:
    """A cluster of one node, which runs while the context lasts.

    Attributes:
        folder: of its state, its logs, and those of its jobs.
        cpus: that it takes the node to have, whatever that has.
    """

    folder: Path
    cpus: int
    _daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of its commands; jobs inherit them, with ``shardmill`` in the path."""
        programs = f"{Path(sys.executable).parent}{os.pathsep}{_path()}"
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": programs}

    def __enter__(self) -> Self:
        for name in ("state", "spool", "cgroup", "jobs"):
            (self.folder / name).mkdir(parents=True)
        controller, daemon = free_ports(2)
        node = socket.gethostname().partition(".")[0]
        text = _CONFIGURATION.format(
            node=node, folder=self.folder, controller=controller, daemon=daemon, cpus=self.cpus
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text(_CGROUP.format(folder=self.folder))
        try:
            for words in (("slurmctld", "-D"), ("slurmd", "-D", "-N", node)):
                with (self.folder / f"{words[0]}.log").open("wb") as log:
                    process = subprocess.Popen(
                        words,
                        env=self.environment,
                        stdout=log,
                        stderr=log,
                        stdin=subprocess.DEVNULL,
                    )
                self._daemons.append(process)
            self._wait_for_node()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def run(self, *words: object, check: bool = True) -> str:
        """Run a command of Slurm; return what it prints."""
        done = subprocess.run(
            [*map(str, words)],
            env=self.environment,
            cwd=self.folder / "jobs",
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0 or not check, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def submit(self, *words: object) -> str:
        """Submit a job; return its number."""
        return self.run("sbatch", "--parsable", "--output=%A_%a.log", *words)

    def wait(self, *words: object) -> tuple[int, str]:
        """Submit a job and wait for its end; return its exit status and what it says."""
        output = self.folder / "jobs" / "last.log"
        output.unlink(missing_ok=True)
        done = subprocess.run(
            ["sbatch", "--wait", f"--output={output}", *map(str, words)],
            env=self.environment,
            cwd=self.folder / "jobs",
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        return done.returncode, (output.read_text() if output.exists() else done.stderr)

    def running(self, job: str) -> list[str]:
        """Return the elements of an array that run now, as JOB_INDEX."""
        lines = self.run("squeue", "-h", "-j", job, "-t", "R", "-o", "%F_%K", check=False)
        return lines.split()

    def logs(self) -> str:
        """Return what its jobs have said."""
        files = sorted((self.folder / "jobs").glob("*.log"))
        return "\n".join(f"{path.name}: {path.read_text()}" for path in files)

    def _wait_for_node(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while self.run("sinfo", "-h", "-o", "%t", check=False) != "idle":
            assert all(each.poll() is None for each in self._daemons), f"see {self.folder}/*.log"
            assert time.monotonic() < deadline, "the node does not become idle"
            time.sleep(0.2)

    def _end(self) -> None:
        if self._daemons:
            self.run("scancel", "--user=root", "--signal=KILL", "--full", check=False)
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in self._daemons:
            try:
                daemon.wait(_PATIENCE_S / 4)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _path() -> str:
    return f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
