"""What the doctor looks at: weights, model and tasks, and what a run will take."""
