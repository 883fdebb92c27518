"""How a training script opens what was written."""
