"""Runs the tasks of a job: the command supervises, a worker works, a scheduler hands out."""
