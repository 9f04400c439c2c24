"""Does a detector read the class off the scene? The same objects before their own scene and before others."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.detector import Detector
from keras_sge.data import SceneSwaps, VideoDataset, cut_out
from keras_sge.evaluation.evaluation import figure_text, record_detections
from keras_sge.evaluation.stability import ANSWER_SCORE, answers
from keras_sge.progress import Progress, no_progress

_FRAMES = 8
_PROTOCOL = (
    f"objects cut out of up to {_FRAMES} consecutive frames by their difference to the local background, laid at the "
    f"same place and size on windows without objects of one recording of each class; the answer is the class of the "
    f"best detection with a score of {ANSWER_SCORE} or more that overlaps the object by IoU 0.5 or more; state carried "
    "along each clip; changes count where the object is found before both scenes"
)


@dataclass(frozen=True)
class SceneSwapResult:
    """What `scene_swap` found; shares are 0..1, None where there is nothing to count.

    Attributes:
        changed: share of frames whose class differs from that before the object's own scene.
        changed_by_scene: the same by the class of the recordings behind.
        accuracy: share of found objects with the right class, by object's class and then by scene; the scene `own` is
            the object's own recording.
        found: share of objects found, by scene. objects, frames: cutouts, and frames before other scenes.
        protocol: how it was done.
    """

    changed: float | None
    changed_by_scene: dict[str, float | None]
    accuracy: dict[str, dict[str, float | None]]
    found: dict[str, float | None]
    objects: int
    frames: int
    protocol: str = _PROTOCOL

    def table(self) -> str:
        """The figures for people, as Markdown."""
        scenes = list(self.found)
        rows = [f"| right class, before the scene of | {' | '.join(scenes)} |", f"|---|{'---:|' * len(scenes)}"]
        for kind, by_scene in self.accuracy.items():
            rows.append(f"| {kind} | {' | '.join(figure_text(by_scene[scene]) for scene in scenes)} |")
        rows.append(f"| objects found | {' | '.join(figure_text(self.found[scene]) for scene in scenes)} |")
        changed = [figure_text(self.changed_by_scene.get(scene)) for scene in scenes]
        rows.append(f"| **class changed** | {' | '.join(changed)} |")
        return "\n".join(rows)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON takes them."""
        return dataclasses.asdict(self)


def scene_swap(
    detector: Detector, dataset: VideoDataset, per_track: int = 3, seed: int = 0, progress: Progress = no_progress
) -> SceneSwapResult:
    """Runs a detector over `SceneSwaps` of a data set.

    Args:
        detector: its classes are the data set's; `SCORE_THRESHOLD` is low enough.
        dataset: whole frames with recordings of every class. per_track: cutouts of each track. seed: of the scenes.
        progress: around the recordings, then around the clips.

    Raises:
        InputError: nothing could be cut out, or the classes differ.
    """
    cutouts = cut_out(dataset, _FRAMES, per_track, seed, progress)
    swaps = SceneSwaps(dataset, cutouts, max(detector.metadata.height, detector.metadata.width), seed)
    records = record_detections(detector, swaps, progress=progress)
    # One object a frame.
    found, truths = answers(records), records.true_classes
    clips, numbers = records.videos, records.frame_ids
    scenes = np.array([scene or "own" for scene in swaps.scenes])[clips]
    objects = np.array(swaps.cutouts)[clips]
    cells = list(zip(objects.tolist(), numbers.tolist(), strict=True))
    own = {cell: answer for cell, scene, answer in zip(cells, scenes, found, strict=True) if scene == "own"}
    before = np.array([own[cell] for cell in cells])
    both = (found >= 0) & (before >= 0) & (scenes != "own")
    names = ["own", *swaps.classes]
    return SceneSwapResult(
        _share(found != before, both),
        {scene: _share(found != before, both & (scenes == scene)) for scene in swaps.classes},
        {
            kind: {
                scene: _share(found == truths, (found >= 0) & (truths == index) & (scenes == scene)) for scene in names
            }
            for index, kind in enumerate(records.labels)
        },
        {scene: _share(found >= 0, scenes == scene) for scene in names},
        len(cutouts),
        int((scenes != "own").sum()),
    )


def _share(hit: np.ndarray, among: np.ndarray) -> float | None:
    return float(hit[among].mean()) if among.any() else None
