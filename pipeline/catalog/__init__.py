"""The catalog and the plan: one row per image, its class, its order and its shard."""
