"""``python -m tasks.cli``: the command without its entry point."""

from tasks.cli import main

main()
