"""A worker that helps commands at a ``luigid``, and schedules nothing itself."""
