"""Anchors that suit a data set, and how well anchors can answer for its boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.boxes import AnchorMap, ssd_cell_boxes
from edge.errors import InputError
from keras_sge.boxes import map_sizes
from keras_sge.config import AnchorConfig, NetworkConfig

# Boxes that are looked at: more change the second digit of a pixel.
_SAMPLE = 4000
# Each size is at least this much above the one before, each ratio above 1 and the one before.
_SIZE_STEP, _RATIO_STEP = 1.06, 1.1
_SMALLEST_PX = 4.0
# Equal weights would give up found boxes for a closer fit of the others.
_RECALL_WEIGHT = 5
# Of one move, in logarithms; the last is about 2 %.
_MOVES = (0.35, 0.18, 0.09, 0.045, 0.02)
_SWEEPS = 12


def propose_anchors(boxes: np.ndarray, network: NetworkConfig, ratios: int | None = None) -> AnchorConfig:
    """Searches sizes and aspect ratios for the network's detection maps.

    What is maximised is the best-possible recall at IoU 0.5, five times, plus the mean best IoU, positions included: an
    anchor stands only where its map has cells. An ascent by ever smaller steps starts from the network's own anchors
    and from sizes spread evenly between the data's small and large boxes; the better end is taken. The same input gives
    the same anchors.

    Args:
        boxes: (n, 4) corners, fractions of the frame, with positive sides; at most 4,000 of them, evenly spread over
            the sequence, are looked at.
        network: gives input size, number of maps and the present anchors.
        ratios: how many aspect ratios; None for as many as now. Each costs two anchors per cell.

    Returns:
        `network.anchors` with other sizes and ratios, in whole pixels above 20 and tenths below.

    Raises:
        InputError: no boxes, or a number of ratios below 0 or above 5.
    """
    if not len(boxes):
        raise InputError("anchors cannot be proposed without boxes. Give a split with labelled objects.")
    count = len(network.anchors.ratios) if ratios is None else ratios
    if not 0 <= count <= 5:
        raise InputError(f"the number of aspect ratios must be from 0 to 5. Received: {count}")
    chosen = np.unique(np.linspace(0, len(boxes) - 1, _SAMPLE).round().astype(int))
    search = _Search(np.asarray(boxes, np.float64)[chosen], network, count)
    values = max((search.climb(start) for start in search.starts()), key=search.score)
    sizes, found = search.split(values)
    rounded = tuple(float(round(size)) if size > 20 else round(size, 1) for size in sizes)
    proposal = dataclasses.replace(
        network.anchors, sizes=rounded, ratios=tuple(round(ratio, 2) for ratio in found), boxes=(), step=0.0
    )
    # Rounding may cost more than a search that ends where it began has won.
    alike = not network.anchors.boxes and count == len(network.anchors.ratios)
    kept = alike and search.score_of(proposal) <= search.score_of(network.anchors)
    return network.anchors if kept else proposal


def anchor_fit(boxes: np.ndarray, maps: Sequence[AnchorMap]) -> AnchorFit:
    """Measures anchors.

    Args:
        boxes: (n, 4) corners, fractions of the frame, with positive sides. maps: as `edge.boxes` makes them.
    """
    overlaps = np.stack([best_overlap(boxes, grid) for grid in maps], axis=1)
    if not len(boxes):
        return AnchorFit(float("nan"), float("nan"), (float("nan"),) * len(maps))
    best = overlaps.max(axis=1)
    found = best >= 0.5
    shares = [float(np.mean(found & (overlaps.argmax(axis=1) == index))) for index in range(len(maps))]
    return AnchorFit(float(found.mean()), float(best.mean()), tuple(shares))


@dataclass(frozen=True)
class AnchorFit:
    """The overlap of boxes with the best of all anchors; fractions from 0 to 1, NaN where there are no boxes.

    Attributes:
        recall: share of boxes that an anchor overlaps by IoU 0.5 or more, the best recall that matching at 0.5 allows.
        mean_iou: mean of the best IoU.
        by_map: for each detection map the share of all boxes whose best anchor is its and overlaps by 0.5 or more; the
            sum is `recall`.
    """

    recall: float
    mean_iou: float
    by_map: tuple[float, ...]


def best_overlap(boxes: np.ndarray, grid: AnchorMap) -> np.ndarray:
    """The largest IoU of each box with any anchor of one map.

    Anchors of one shape overlap a box most where their center is nearest to its, so one cell is looked at, not all.

    Args:
        boxes: (n, 4) corners, fractions of the frame, with positive sides. grid: one detection map's anchors.

    Returns:
        float64 (n,), 0 to 1.
    """
    boxes = np.asarray(boxes, np.float64)
    low, high = boxes[:, :2], boxes[:, 2:]
    cells = np.array([grid.columns, grid.rows])
    centers = (np.clip(np.floor((low + high) / 2 * cells), 0, cells - 1) + 0.5) / cells
    area = np.prod(high - low, axis=1)
    best = np.zeros(len(boxes))
    for shape in np.array(grid.boxes):
        sides = np.minimum(high, centers + shape / 2) - np.maximum(low, centers - shape / 2)
        shared = np.prod(np.maximum(sides, 0), axis=1)
        np.maximum(best, shared / (area + shape[0] * shape[1] - shared), out=best)
    return best


class _Search:
    """Values are the logarithms of all sizes, then of all ratios."""

    def __init__(self, boxes: np.ndarray, network: NetworkConfig, ratios: int):
        self.boxes, self.network, self.ratios = boxes, network, ratios
        self.maps = map_sizes(network)
        self.sides = np.sqrt(np.prod((boxes[:, 2:] - boxes[:, :2]) * network.input_size[::-1], axis=1))
        self.largest = 2.0 * max(network.input_size)
        self._overlaps: dict[AnchorMap, np.ndarray] = {}

    def split(self, values: np.ndarray) -> tuple[list[float], list[float]]:
        """Values -> sizes in pixels, ratios."""
        numbers = np.exp(values).tolist()
        return numbers[: len(self.maps) + 1], numbers[len(self.maps) + 1 :]

    def starts(self) -> Iterator[np.ndarray]:
        """The present anchors as far as they may stand, and an even spread."""
        anchors, count = self.network.anchors, len(self.maps) + 1
        spread = [1.5 * 1.6**number for number in range(self.ratios)]
        if not anchors.boxes:
            present = [*sorted(anchors.ratios)[: self.ratios], *spread[len(anchors.ratios) :]]
            yield self._legal(np.log([*anchors.sizes, *present]))
        small, large = np.percentile(self.sides, (5, 98))
        yield self._legal(np.log([*np.geomspace(small, max(large, 1.5 * small), count), *spread]))

    def climb(self, values: np.ndarray) -> np.ndarray:
        """The end of a coordinate search; besides single values, all sizes from one on move together."""
        count = len(self.maps) + 1
        groups = [np.arange(index, index + 1) for index in range(len(values))]
        groups += [np.arange(first, count) for first in range(count - 1)]
        best = self.score(values)
        for move in _MOVES:
            for _ in range(_SWEEPS):
                before = best
                for group in groups:
                    for step in (move, -move):
                        trial = values.copy()
                        trial[group] += step
                        trial = self._legal(trial)
                        score = self.score(trial)
                        if score > best + 1e-9:
                            values, best = trial, score
                if best == before:
                    break
        return values

    def score(self, values: np.ndarray) -> float:
        """Recall at IoU 0.5, weighted, plus mean best IoU."""
        sizes, ratios = self.split(values)
        best = np.zeros(len(self.boxes))
        for (rows, columns), size, next_size in zip(self.maps, sizes, sizes[1:], strict=False):
            shapes = ssd_cell_boxes(size, next_size, ratios, *self.network.input_size)
            np.maximum(best, self._overlap(AnchorMap(rows, columns, shapes)), out=best)
        return float(_RECALL_WEIGHT * np.mean(best >= 0.5) + best.mean())

    def score_of(self, anchors: AnchorConfig) -> float:
        """The score of a configuration."""
        return self.score(np.log([*anchors.sizes, *anchors.ratios]))

    def _overlap(self, grid: AnchorMap) -> np.ndarray:
        # Most moves leave most maps as they were.
        if grid not in self._overlaps:
            if len(self._overlaps) > 100:
                self._overlaps.clear()
            self._overlaps[grid] = best_overlap(self.boxes, grid)
        return self._overlaps[grid]

    def _legal(self, values: np.ndarray) -> np.ndarray:
        sizes, ratios = self.split(values)
        smallest, lowest = _SMALLEST_PX, _RATIO_STEP
        for index, size in enumerate(sizes):
            sizes[index] = smallest = max(size, smallest)
            smallest *= _SIZE_STEP
        # From the top down, so that sizes at the upper limit keep their distance too.
        limit = self.largest
        for index in reversed(range(len(sizes))):
            sizes[index] = limit = min(sizes[index], limit)
            limit /= _SIZE_STEP
        for index, ratio in enumerate(ratios):
            ratios[index] = lowest = min(max(ratio, lowest), 8.0 * _RATIO_STEP**index)
            lowest *= _RATIO_STEP
        return np.log([*sizes, *ratios])
