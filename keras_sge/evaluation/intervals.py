"""Whether one model is better than another or the videos just suit it: a paired bootstrap by source video."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.atomic import write_json
from edge.errors import InputError
from keras_sge.evaluation.matches import Matches, match
from keras_sge.evaluation.records import DetectionRecords
from keras_sge.evaluation.stability import STABILITY, track_records
from keras_sge.progress import Progress, no_progress

# Figures that can be compared, as they are said.
METRICS = {"map50": "mAP@0.5", **STABILITY}
# Resamples computed together: enough for a matrix product, few enough for memory.
_CHUNK = 50


@dataclass(frozen=True)
class BootstrapResult:
    """The difference of two figures.

    Attributes:
        a, b: the figures on all sources. difference: a - b.
        interval: 2.5 and 97.5 percentile of the difference over the resamples.
        share_above_zero: of the resamples whose difference is above 0.
        resamples, seed, sources: how many, from which seed, of how many source videos.
        protocol_a, protocol_b: how the records were made. metric: of `METRICS`, which figure.
    """

    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    share_above_zero: float
    resamples: int
    seed: int
    sources: int
    protocol_a: str
    protocol_b: str
    metric: str = "map50"

    def write_json(self, path: str | Path) -> None:
        """All fields as a JSON object."""
        write_json(path, dataclasses.asdict(self))


def bootstrap(
    a: DetectionRecords,
    b: DetectionRecords,
    resamples: int = 2000,
    seed: int = 1,
    progress: Progress = no_progress,
    metric: str = "map50",
) -> BootstrapResult:
    """Resamples source videos with replacement, the same ones for both, and compares a figure.

    Sources rather than clips or frames are drawn, because frames of one recording are right or wrong together.

    Args:
        a, b: records of the same frames and objects. resamples, seed: how many are drawn, and from where.
        progress: around the resamples, 50 at a time. metric: of `METRICS`.

    Raises:
        InputError: the records are of other frames or objects, too few sources or no objects, or a number out of range.
    """
    if resamples < 1 or seed < 0:
        raise InputError(f"resamples must be at least 1 and seed at least 0. Received: {resamples} and {seed}")
    if metric not in METRICS:
        raise InputError(f"the metric must be one of {', '.join(METRICS)}. Received: {metric}")
    if set(a.labels) == set(b.labels):
        b = b.with_labels(a.labels)
    _check_pair(a, b)
    names = sorted(set(a.sources))
    source_of = np.array([names.index(source) for source in a.sources])[a.videos]
    if len(np.unique(source_of)) < 2:
        raise InputError(
            f"a bootstrap by source video needs at least 2 of them; the records hold {', '.join(names) or 'none'}. "
            "Evaluate on more videos."
        )
    # Sources without a scored frame are no part of the sample.
    source_of = np.unique(source_of, return_inverse=True)[1]
    sources = int(source_of.max()) + 1
    if not len(a.true_classes):
        raise InputError("the records hold no object, so there is nothing to compare.")
    models = [_statistic(records, metric, source_of, sources) for records in (a, b)]
    whole = [float(model(np.ones((sources, 1)))[0]) for model in models]
    rng = np.random.default_rng(seed)
    differences = []
    for start in progress(range(0, resamples, _CHUNK)):
        number = min(_CHUNK, resamples - start)
        weights = rng.multinomial(sources, np.full(sources, 1 / sources), size=number).T.astype(np.float64)
        differences.append(models[0](weights) - models[1](weights))
    difference = np.concatenate(differences)
    # Nothing can be said of a resample without objects.
    difference = difference[~np.isnan(difference)]
    if len(difference) == 0:
        raise InputError(f"none of {resamples} resamples holds an object. Give more resamples.")
    low, high = np.percentile(difference, [2.5, 97.5])
    return BootstrapResult(
        a=whole[0],
        b=whole[1],
        difference=whole[0] - whole[1],
        interval=(float(low), float(high)),
        share_above_zero=float((difference > 0).mean()),
        resamples=resamples,
        seed=seed,
        sources=sources,
        protocol_a=a.protocol,
        protocol_b=b.protocol,
        metric=metric,
    )


def _statistic(
    records: DetectionRecords, metric: str, source_of: np.ndarray, sources: int
) -> Callable[[np.ndarray], np.ndarray]:
    """From how often each source counts, (sources, r), to the figure, (r,). `source_of`: (frames,) int."""
    if metric == "map50":
        tallies = _tallies(match(records), len(records.labels), source_of, sources)
        return lambda weights: _map(tallies, weights)
    tracks = track_records(records)
    source_of_video = dict(zip(records.videos.tolist(), source_of.tolist(), strict=True))
    source = np.array([source_of_video[video] for video in tracks.videos.tolist()])
    over, under = (np.bincount(source, term, minlength=sources) for term in tracks.terms(metric))
    if np.isnan(over).any():
        raise InputError(f"{metric} needs the frames per second, which records of before lack. Evaluate again.")

    def ratio(weights: np.ndarray) -> np.ndarray:
        over_sum, under_sum = over @ weights, under @ weights
        return np.divide(over_sum, under_sum, out=np.full_like(over_sum, np.nan), where=under_sum > 0)

    return ratio


@dataclass(frozen=True)
class _Tally:
    """One class: at its k-th hit, hits and false positives so far by source, (k, sources); and objects by source."""

    hit_source: np.ndarray
    hits: np.ndarray
    false: np.ndarray
    objects: np.ndarray


def _tallies(matches: Matches, classes: int, source_of: np.ndarray, sources: int) -> list[_Tally]:
    """Of each class with objects. `source_of`: (frames,) int."""
    result = []
    for index in range(classes):
        objects = np.bincount(source_of[matches.object_frames[matches.object_classes == index]], minlength=sources)
        if not objects.any():
            continue
        detections = matches.classes == index
        hit, source = matches.matched[detections] >= 0, source_of[matches.frames[detections]]
        # Rows: the hits. A false positive belongs to the next hit below it; those below the last are never read.
        row, count = np.cumsum(hit) - hit, int(hit.sum())
        hits, false = (np.zeros((count + 1, sources)) for _ in range(2))
        np.add.at(hits, (row[hit], source[hit]), 1)
        np.add.at(false, (row[~hit], source[~hit]), 1)
        result.append(_Tally(source[hit], hits.cumsum(axis=0)[:count], false.cumsum(axis=0)[:count], objects))
    return result


def _map(tallies: list[_Tally], weights: np.ndarray) -> np.ndarray:
    """mAP where each source counts as often as `weights` (sources, r) says: (r,), NaN without objects.

    Equal to the mAP of so many copies of its frames: between copies of one hit precision rises, so that the envelope
    of all of them is that of the last.
    """
    total, present = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
    for tally in tallies:
        hits, false, objects = (counts @ weights for counts in (tally.hits, tally.false, tally.objects))
        precision = hits / np.maximum(hits + false, 1)
        precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        area = (precision * weights[tally.hit_source]).sum(axis=0)
        total += area / np.maximum(objects, 1)
        present += objects > 0
    return np.divide(total, present, out=np.full_like(total, np.nan), where=present > 0)


def _check_pair(a: DetectionRecords, b: DetectionRecords) -> None:
    """Raises InputError where two records are not of the same frames and objects."""
    differing = [
        what
        for what, same in (
            ("classes", a.labels == b.labels),
            ("degraded frames", a.degrade == b.degrade),
            ("videos", a.video_names == b.video_names),
            ("scored frames", _equal(a, b, "videos", "frame_ids")),
            ("objects", _equal(a, b, "true_counts", "true_boxes", "true_classes")),
            ("regions to ignore", _equal(a, b, "ignored_counts", "ignored", "ignored_classes")),
        )
        if not same
    ]
    if differing:
        raise InputError(
            f"the two records differ in their {', '.join(differing)}, so that their figures cannot be paired. Evaluate "
            "both models with the same data and the same --split, --fold, --degrade and --frames."
        )


def _equal(a: DetectionRecords, b: DetectionRecords, *names: str) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)
