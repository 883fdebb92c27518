"""The process that runs Luigi for a command: ``python -m tasks.worker JOB WORKERS [HOST PORT]``.

It is a process of its own, so that the one that forks tasks has no display, no threads and no
open pools, and so that a command outlives a worker that was killed.
"""

from __future__ import annotations

import configparser
import multiprocessing
import sys

import luigi
import luigi.configuration

from pipeline import resources
from pipeline.job import Job
from tasks.datasets import PrepareImageNet
from tasks.processes import die_with_command


def main() -> int:
    """Run a job's DAG; the caller judges success by what is then there."""
    job, workers, scheduler = Job.from_json(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    die_with_command()
    multiprocessing.set_start_method("fork")
    apply_shipped_settings()
    settings: dict[str, object] = {"workers": workers, "local_scheduler": True}
    if scheduler:
        host, port = scheduler
        settings |= {"local_scheduler": False, "scheduler_host": host, "scheduler_port": int(port)}
    result = luigi.build([PrepareImageNet.of(job)], detailed_summary=True, **settings)
    sys.stderr.write(f"{result.summary_text}\n")
    return 0


def apply_shipped_settings() -> None:
    """Give every Luigi setting that the user has not set its shipped value."""
    shipped = configparser.ConfigParser(interpolation=None)
    shipped.read(resources.shipped("luigi.cfg"))
    settings = luigi.configuration.get_config()
    for section in shipped.sections():
        for option, value in shipped.items(section):
            if not settings.has_option(section, option):
                settings.set(section, option, value)


if __name__ == "__main__":
    sys.exit(main())
