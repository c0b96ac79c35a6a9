"""Which trials to measure next, and where: the plan, the loop, devices, processes, a cluster. `study.run` begins it."""
