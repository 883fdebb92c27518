"""Who writes the shards of a job, where Luigi does not hand them out one by one."""
