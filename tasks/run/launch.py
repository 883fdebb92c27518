"""Starts a process that runs Luigi for a command, in a new interpreter.

    python -m tasks.run.launch DIGEST JOB WORKERS PHASE [HOST PORT]

See `tasks.run.worker`, whose imports are the most of its start.
"""

from __future__ import annotations

import sys

from tasks.run.startup import importing


def main() -> int:
    """Import the worker and run it; return its exit status."""
    with importing():
        from tasks.run import worker  # noqa: PLC0415 - not before the context is entered
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
