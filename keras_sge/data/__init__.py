"""Annotated video: formats in, augmented clips out."""

from keras_sge.data.anchors import propose_anchors
from keras_sge.data.cutouts import Cutout, cut_out
from keras_sge.data.dataset import NO_TRACK, FrameLabels, Video, VideoDataset
from keras_sge.data.formats.backgrounds import BackgroundVideos
from keras_sge.data.formats.coco_vid import CocoVid
from keras_sge.data.formats.coco_vid_writer import write_coco_vid
from keras_sge.data.formats.imagenet_vid import ImageNetVid
from keras_sge.data.formats.mot_challenge import MotChallenge
from keras_sge.data.motion import motion_iou
from keras_sge.data.open import data_notes, open_dataset, open_videos, synthetic_split
from keras_sge.data.pasted_tracks import PastedTracks
from keras_sge.data.report import check_videos
from keras_sge.data.scene_swaps import SceneSwaps
from keras_sge.data.splits import read_frame_list
from keras_sge.data.synthetic import SyntheticSky
from keras_sge.data.views import MixedVideos, OfClasses
from keras_sge.data.windows import ObjectWindows

__all__ = [
    "NO_TRACK",
    "BackgroundVideos",
    "CocoVid",
    "Cutout",
    "FrameLabels",
    "ImageNetVid",
    "MixedVideos",
    "MotChallenge",
    "ObjectWindows",
    "OfClasses",
    "PastedTracks",
    "SceneSwaps",
    "SyntheticSky",
    "Video",
    "VideoDataset",
    "check_videos",
    "cut_out",
    "data_notes",
    "motion_iou",
    "open_dataset",
    "open_videos",
    "propose_anchors",
    "read_frame_list",
    "synthetic_split",
    "write_coco_vid",
]
