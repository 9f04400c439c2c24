"""Anchors of a configuration, and ground truth as the network should answer it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.boxes import (
    AnchorMap,
    anchor_boxes,
    centers_to_corners,
    encode_boxes,
    iou_matrix,
    share_inside,
    ssd_cell_boxes,
)
from keras_sge.config import NetworkConfig
from keras_sge.config.maps import map_stride

# In class targets: an anchor that counts neither way.
IGNORED = -1
# Overlap with an object from which an anchor answers for it.
MATCH_IOU = 0.5


def map_size(config: NetworkConfig, stride: int) -> tuple[int, int]:
    """Rows and columns of the map of that stride; padding is `same`, so sides are rounded up."""
    height, width = config.input_size
    return -(-height // stride), -(-width // stride)


def memory_map_size(config: NetworkConfig, place: str) -> tuple[int, int]:
    """Rows and columns of the states of the memory's cell at `place`, one of `config.memory.places`."""
    return map_size(config, map_stride(place))


def attention_map_size(config: NetworkConfig) -> tuple[int, int]:
    """Rows and columns of the entropy attention, of the map that it multiplies."""
    return map_size(config, map_stride(config.entropy.attach_to))


def cell_boxes(config: NetworkConfig) -> tuple[tuple[tuple[float, float], ...], ...]:
    """For each detection map the (width, height) of every anchor of a cell, fractions of the frame's."""
    anchors, (height, width) = config.anchors, config.input_size
    if anchors.boxes:
        return tuple(tuple((w / width, h / height) for w, h in shapes) for shapes in anchors.boxes)
    pairs = zip(anchors.sizes, anchors.sizes[1:], strict=False)
    return tuple(ssd_cell_boxes(size, next_size, anchors.ratios, height, width) for size, next_size in pairs)


def boxes_per_cell(config: NetworkConfig) -> tuple[int, ...]:
    """Anchors in each cell, for each detection map."""
    return tuple(map(len, cell_boxes(config)))


def map_sizes(config: NetworkConfig) -> list[tuple[int, int]]:
    """Rows and columns of the detection maps, finest first: strides 8 (the finer map) or 16 and on by 2, rounded up."""
    sizes = [map_size(config, 8 if config.finer_map else 16)]
    for _ in range(1 + config.finer_map + len(config.extras)):
        rows, columns = sizes[-1]
        sizes.append((-(-rows // 2), -(-columns // 2)))
    return sizes


def anchor_maps(config: NetworkConfig) -> tuple[AnchorMap, ...]:
    """The anchors that belong to the graph's outputs, in their order."""
    sizes = zip(map_sizes(config), cell_boxes(config), strict=True)
    return tuple(AnchorMap(rows, columns, shapes, config.anchors.step) for (rows, columns), shapes in sizes)


class LabelEncoder:
    """Matches objects to anchors as SSD does (Liu et al., section 2.2): every object gets its best anchor, and every
    anchor that overlaps an object by at least `iou_threshold` answers for the object it overlaps most.

    Args:
        maps: the detection maps' anchors. variances: of the box codes. iou_threshold: see above.
        ignore_iou: lower end of an ignore band, below `iou_threshold`: an anchor without a match whose best overlap is
            `ignore_iou` or more counts neither as an object nor as background (RetinaNet: 0.4). None for no band.
    """

    def __init__(
        self,
        maps: Sequence[AnchorMap],
        variances: tuple[float, float],
        iou_threshold: float = MATCH_IOU,
        ignore_iou: float | None = None,
    ):
        self.anchors = anchor_boxes(maps)
        self.variances = variances
        self.iou_threshold = iou_threshold
        self.ignore_iou = ignore_iou
        self._corners = centers_to_corners(self.anchors)

    def encode(
        self, boxes: np.ndarray, classes: np.ndarray, ignored: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Targets of one frame.

        Args:
            boxes: float (n, 4) corners, fractions of the frame, with positive sides; n may be 0.
            classes: int (n,) from 0.
            ignored: float (k, 4), regions whose anchors do not count: those that lie in one by at least `iou_threshold`
                of their area and answer for no object.

        Returns:
            float32 (anchors, 5): box codes and 1 where the anchor answers for an object (0 elsewhere);
            int32 (anchors,): class + 1, 0 for background, `IGNORED` for what does not count.
        """
        codes = np.zeros((len(self.anchors), 5), np.float32)
        labels = np.zeros(len(self.anchors), np.int32)
        if ignored is not None and len(ignored):
            share = share_inside(self._corners, np.asarray(ignored, np.float64))
            labels[share.max(axis=1) >= self.iou_threshold] = IGNORED
        if len(boxes) == 0:
            return codes, labels
        overlap = iou_matrix(np.asarray(boxes, np.float64), self._corners)
        match = overlap.argmax(axis=0)
        best = overlap.max(axis=0)
        positive = best >= self.iou_threshold
        if self.ignore_iou is not None:
            labels[best >= self.ignore_iou] = IGNORED
        # Best pairs first, so that two objects never share one anchor while another object goes without.
        remaining = overlap.copy()
        for _ in range(len(boxes)):
            box, anchor = np.unravel_index(remaining.argmax(), remaining.shape)
            match[anchor], positive[anchor] = box, True
            remaining[box, :] = -1
            remaining[:, anchor] = -1
        chosen = match[positive]
        codes[positive, :4] = encode_boxes(np.asarray(boxes)[chosen], self.anchors[positive], self.variances)
        codes[positive, 4] = 1
        labels[positive] = np.asarray(classes)[chosen] + 1
        return codes, labels
