"""Teaching: a memory for a detector that has none, learned from video without labels."""

from keras_sge.teaching.teaching import split_videos, taught_videos, teach

__all__ = ["split_videos", "taught_videos", "teach"]
