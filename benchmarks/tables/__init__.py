"""Tables of README and docs, each made from the JSON of a benchmark and from nothing else."""
