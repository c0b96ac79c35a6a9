"""Draws the demo's images: one module per task, each with a `SUBJECT` and a function `material(seed)`."""
