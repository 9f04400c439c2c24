"""Annotated video: formats in, augmented clips out."""

from keras_sge.data.coco_vid import CocoVid
from keras_sge.data.coco_vid_writer import write_coco_vid
from keras_sge.data.open_dataset import open_dataset, synthetic_split
from keras_sge.data.synthetic import SyntheticSky
from keras_sge.data.video_dataset import FrameLabels, Video, VideoDataset

__all__ = [
    "CocoVid",
    "FrameLabels",
    "SyntheticSky",
    "Video",
    "VideoDataset",
    "open_dataset",
    "synthetic_split",
    "write_coco_vid",
]
