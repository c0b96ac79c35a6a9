"""Which changes of a weight take part: the largest, those drawn at random, those of the elected sign."""
