"""Annotated video: formats in, augmented clips out."""

from keras_sge.data.anchor_proposal import propose_anchors
from keras_sge.data.check_videos import check_videos
from keras_sge.data.coco_vid import CocoVid
from keras_sge.data.coco_vid_writer import write_coco_vid
from keras_sge.data.frame_list import read_frame_list
from keras_sge.data.imagenet_vid import ImageNetVid
from keras_sge.data.mot_challenge import MotChallenge
from keras_sge.data.motion import motion_iou
from keras_sge.data.open_dataset import data_notes, open_dataset, synthetic_split
from keras_sge.data.open_videos import open_videos
from keras_sge.data.synthetic import SyntheticSky
from keras_sge.data.video_dataset import FrameLabels, Video, VideoDataset

__all__ = [
    "CocoVid",
    "FrameLabels",
    "ImageNetVid",
    "MotChallenge",
    "SyntheticSky",
    "Video",
    "VideoDataset",
    "check_videos",
    "data_notes",
    "motion_iou",
    "open_dataset",
    "open_videos",
    "propose_anchors",
    "read_frame_list",
    "synthetic_split",
    "write_coco_vid",
]
