"""Frames with detections and objects for tests of evaluation, and slow twins of its figures in plain Python."""

import numpy as np

from keras_sge.evaluation import DetectionRecords, FrameRecord


def record(found=(), truth=(), ignored=()):
    """found: (box, score, class); truth, ignored: (box, class)."""
    return FrameRecord(
        np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in found], np.float32),
        np.array([number for _, _, number in found], np.int64),
        np.array([box for box, _ in truth], np.float32).reshape(-1, 4),
        np.array([number for _, number in truth], np.int64),
        np.array([box for box, _ in ignored], np.float32).reshape(-1, 4),
        np.array([number for _, number in ignored], np.int64),
    )


def iou(a, b):
    width, height = (max(0.0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / (areas - width * height)


def plain_matches(frames, wanted, threshold=0.5):
    """(frame, detection, object or None) of each detection of a class, best score first."""
    ranked = [
        (-float(score), place, which)
        for place, frame in enumerate(frames)
        for which, (score, number) in enumerate(zip(frame.scores, frame.classes, strict=True))
        if number == wanted
    ]
    taken, matched = set(), []
    for _, place, which in sorted(ranked, key=lambda item: item[0]):
        frame = frames[place]
        box = frame.boxes[which].astype(float)
        free = [
            (iou(box, truth.astype(float)), other)
            for other, truth in enumerate(frame.true_boxes)
            if frame.true_classes[other] == wanted and (place, other) not in taken
        ]
        overlap, other = max(free, default=(0, None))
        matched.append((place, which, other if overlap >= threshold else None))
        taken.add((place, matched[-1][2]))
    return matched


def plain_area(marks, objects):
    """AP from the best detection down: ("hit", 1), ("false", weight) or ("ignored", 0); all points."""
    found = wrong = 0
    points = []
    for kind, weight in marks:
        found += kind == "hit"
        wrong += weight if kind == "false" else 0
        if kind == "hit":
            points.append(found / (found + wrong))
    return sum(max(points[place:]) for place in range(len(points))) / objects if objects else float("nan")


def random_frames(seed, frames=12, levels=None, regions=0):
    """Three classes; with `levels`, scores take so few values that many are equal; `regions` of a frame are ignored."""
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(frames):
        corners = rng.uniform(0, 60, (rng.integers(0, 5), 2))
        truth = [((x, y, x + 20, y + 20), int(rng.integers(3))) for x, y in corners]
        found = [
            (tuple(np.add(box, rng.normal(0, 3, 4))), rng.random(), number if rng.random() < 0.8 else 0)
            for box, number in truth * 2
            if rng.random() < 0.7
        ]
        found += [((x, y, x + 20, y + 20), rng.random(), int(rng.integers(3))) for x, y in rng.uniform(0, 60, (2, 2))]
        if levels:
            found = [(box, np.ceil(score * levels) / levels, number) for box, score, number in found]
        places = rng.uniform(0, 50, (regions, 2))
        ignored = [((x, y, *(np.array((x, y)) + rng.uniform(15, 50, 2))), int(rng.integers(3))) for x, y in places]
        result.append(record(found, truth, ignored))
    return result


def records_of(frames, lengths=None, sources=None, **changes):
    """Records of frames that fall into videos of some lengths, by default one; no object has a motion."""
    lengths = lengths or [len(frames)]
    numbers = range(len(lengths))
    objects = sum(len(frame.true_classes) for frame in frames)
    values = {
        "labels": ("ant", "bee", "cat"),
        "boxes": np.concatenate([frame.boxes for frame in frames]),
        "scores": np.concatenate([frame.scores for frame in frames]),
        "classes": np.concatenate([frame.classes for frame in frames]).astype(np.int16),
        "counts": np.array([len(frame.scores) for frame in frames], np.int32),
        "true_boxes": np.concatenate([frame.true_boxes for frame in frames]),
        "true_classes": np.concatenate([frame.true_classes for frame in frames]).astype(np.int16),
        "true_tracks": np.arange(objects, dtype=np.int32),
        "true_motion": np.full(objects, np.nan, np.float32),
        "true_counts": np.array([len(frame.true_classes) for frame in frames], np.int32),
        "ignored": np.concatenate([frame.ignored for frame in frames]),
        "ignored_classes": np.concatenate([frame.ignored_classes for frame in frames]).astype(np.int16),
        "ignored_counts": np.array([len(frame.ignored_classes) for frame in frames], np.int32),
        "videos": np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        "frame_ids": np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
        "video_ids": np.array(numbers, np.int64),
        "video_names": tuple(f"v{number}" for number in numbers),
        "sources": tuple(sources or (f"v{number}" for number in numbers)),
        "degrade": None,
        "protocol": "made up",
        "runtime": "none 0",
    }
    return DetectionRecords(**{**values, **changes})
