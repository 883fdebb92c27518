"""How far a job is, what stands in its way, and what an output folder may drop."""
