"""The parts of `benchmarks.trial_cost` beside the demo: a ViT-B/32, reloading rivals, memory, batched models."""
