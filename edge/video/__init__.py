"""Reading pictures and videos: one rule of what is upright, for the device, data sets and backgrounds."""
