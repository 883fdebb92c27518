"""Images that lie in shards or archives: of any program, or in a finished output of this one."""
