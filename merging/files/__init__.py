"""What lies on disk: weights read lazily, block by block, and written atomically; YAML as plain data."""
