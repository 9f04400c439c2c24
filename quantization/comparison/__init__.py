"""Files of one network against each other: what quantization costs, above all the memory over time."""
