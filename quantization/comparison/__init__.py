"""Files of one network against each other: what quantisation costs, above all the memory over time."""
