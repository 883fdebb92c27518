"""Starts the process that runs Luigi for an assistant, in a new interpreter.

python -m tasks.run.assistant.launch WORKERS GRACE HOST PORT (DIGEST JOB)...
"""

from __future__ import annotations

import sys

from tasks.run.startup import importing


def main() -> int:
    """Import the worker and run it; return its exit status."""
    with importing():
        from tasks.run.assistant import worker  # noqa: PLC0415 - not before the context is entered
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
