"""Images: what their bytes say, and the few that must be encoded anew."""
