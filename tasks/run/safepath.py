"""Keeps foreign code out of child processes.

A Python that is started with ``-m`` or ``-c`` puts the working folder first on its path: a file
``tasks.py`` or ``numpy.py`` in a downloaded folder would be imported and executed.
"""

SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Environment of a Python that imports nothing from the working folder, nor do its children."""
