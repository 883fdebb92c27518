"""Finished outputs as those read them who look at every image: what is there, facts, images."""
