"""MOTChallenge: sequences of images, and `gt.txt` with the objects of all frames."""

from __future__ import annotations

from pathlib import Path

from edge.errors import InputError
from keras_sge.data.formats.annotation_values import Annotation, label_gap
from keras_sge.data.formats.form import ONLY_SPLIT, Form, check_split
from keras_sge.data.formats.listed_videos import ListedVideo, ListedVideos
from keras_sge.data.formats.media import video_name
from keras_sge.data.formats.mot_files import (
    PEDESTRIAN,
    MotGroundTruth,
    read_class_names,
    read_mot_ground_truth,
    read_sequence,
)
from keras_sge.progress import Progress, no_progress

# MOT16's and MOT17's numbers of what is to be detected; 8 to 13 are distractors, occluders, reflections and crowds.
_MOT_CLASSES = {
    PEDESTRIAN: "pedestrian",
    2: "person_on_vehicle",
    3: "car",
    4: "bicycle",
    5: "motorbike",
    6: "non_motorized_vehicle",
    7: "static_person",
}
_MOT_OTHERS = range(8, 14)
# Taken for pedestrians with reason: person on vehicle, static person, distractor, reflection, crowd.
_LIKE_PEDESTRIANS = (2, 7, 8, 12, 13)


class MotChallenge(ListedVideos):
    """A directory with `SPLIT/SEQUENCE/{seqinfo.ini,img1/*.jpg,gt/gt.txt}`; or what CVAT exports as MOT 1.1, at the
    root or in a folder for each sequence: `gt/gt.txt` and `gt/labels.txt`, img1 with frames or none, no seqinfo.ini.

    Frame n is the n-th image by number. Of MOT16 and MOT17 only what their protocol evaluates is an object: an entry of
    flag 0, and what its number says is like a pedestrian without being one to detect, is a region to ignore; other
    entries are left out. A line that repeats another one is taken once. Coordinates are taken as they stand and clipped
    to the frame, beyond which MOT's boxes follow people; a box without area inside it is left out.

    Where entries stand on every k-th frame only, those between are unlabelled (`Video.unlabelled`).

    Classes are the lines of `gt/labels.txt` where the sequences have it, as CVAT writes it, all the same one; else
    MOT16's names of the classes that occur in the split and are objects to detect (1 to 7). A file without classes, or
    with class -1 (MOT15), is of pedestrians. Specification: https://arxiv.org/abs/1603.00831, section 3.3, and
    https://docs.cvat.ai/docs/manual/advanced/formats/format-mot.

    Args:
        directory: the root. split: the folder of the sequences, such as `train`, or ONLY_SPLIT where there is none.
        media: where no seqinfo.ini and no img1 is, the video file or the folder that holds videos or frames.
        progress: around the sequences while they are indexed.

    Raises:
        InputError: a missing file or key, a wrong line, too few images; while it is read: a wrong image. The message
            names file and line.
    """

    def __init__(
        self,
        directory: str | Path,
        split: str,
        progress: Progress = no_progress,
        media: Path | None = None,
    ):
        folders = _sequences(Path(directory), split)
        listed: list[ListedVideo] = []
        truths: list[MotGroundTruth] = []
        taken: set[str] = set()
        for folder in progress(folders):
            video, first = read_sequence(folder, media, len(folders) == 1)
            video.name = video_name(video.name, taken)
            truths.append(read_mot_ground_truth(folder / "gt" / "gt.txt", video, first))
            listed.append(video)
        class_of, ignored, classes = _classes(folders, truths)
        for truth, video in zip(truths, listed, strict=True):
            _add_entries(video, truth, class_of, ignored)
        _mark_unlabelled(listed, truths)
        super().__init__(classes, listed)


def _sequences(source: Path, split: str) -> list[Path]:
    root = source / split
    if split == ONLY_SPLIT and (found := _without_split(source)):
        return found
    if not root.is_dir():
        if _without_split(source):
            check_split(split, [ONLY_SPLIT], source)
        raise InputError(
            f"no folder {root}. Expected MOTChallenge with {split}/SEQUENCE/gt/gt.txt; splits found: "
            f"{', '.join(_splits(source)) or 'none'}."
        )
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise InputError(f"{root} holds no sequence. Expected folders with seqinfo.ini, img1 and gt/gt.txt.")
    return folders


def _without_split(source: Path) -> list[Path]:
    """The sequences of a source that has no folders of splits."""
    if (source / "gt" / "gt.txt").is_file():
        return [source]
    return sorted(path.parent.parent for path in source.glob("*/gt/gt.txt"))


def _classes(
    folders: list[Path], truths: list[MotGroundTruth]
) -> tuple[dict[int, int], dict[int, int], tuple[str, ...]]:
    """Class number of the files -> index, of what is an object and of what is to ignore; and the names."""
    files = [folder / "gt" / "labels.txt" for folder in folders]
    if not any(file.is_file() for file in files):
        _refuse_unknown(truths, {*_MOT_CLASSES, *_MOT_OTHERS}, "a class of MOT16 (1 to 13); names of your own need")
        present = {entry.kind for truth in truths for entry in truth.entries if entry.counts}
        numbers = sorted(present & set(_MOT_CLASSES)) or [PEDESTRIAN]
        class_of = {number: index for index, number in enumerate(numbers)}
        like = dict.fromkeys(_LIKE_PEDESTRIANS, class_of[PEDESTRIAN]) if PEDESTRIAN in class_of else {}
        return class_of, like | class_of, tuple(_MOT_CLASSES[number] for number in numbers)
    lists = [read_class_names(file) for file in files]
    for file, names in zip(files, lists, strict=True):
        if names != lists[0]:
            raise InputError(f"{file} has other classes than {files[0]}. All sequences need the same, in one order.")
    _refuse_unknown(truths, set(range(1, len(lists[0]) + 1)), f"a line number (1 to {len(lists[0])}) of")
    class_of = {number: number - 1 for number in range(1, len(lists[0]) + 1)}
    return class_of, class_of, lists[0]


def _refuse_unknown(truths: list[MotGroundTruth], known: set[int], expected: str) -> None:
    for truth in truths:
        for entry in truth.entries:
            if entry.counts and entry.kind not in known:
                raise InputError(
                    f"{truth.path}:{entry.line} has class {entry.kind}. Expected {expected} gt/labels.txt."
                )


def _add_entries(
    video: ListedVideo, truth: MotGroundTruth, class_of: dict[int, int], ignored: dict[int, int]
) -> None:
    for entry in truth.entries:
        is_object = entry.counts and entry.kind in class_of
        kind = (class_of if is_object else ignored).get(entry.kind)
        if kind is None:
            video.left_out.setdefault(entry.frame, []).append("left out: not among what MOT16 evaluates")
        else:
            track = entry.track if entry.track >= 0 else None
            annotation = Annotation(entry.corners, kind, track, not is_object)
            video.entries.setdefault(entry.frame, []).append(annotation)


def _mark_unlabelled(videos: list[ListedVideo], truths: list[MotGroundTruth]) -> None:
    """The format cannot say that a frame is unlabelled; entries on every k-th frame of all sequences do."""
    frames = [sorted({entry.frame for entry in truth.entries}) for truth in truths]
    gap = label_gap(frames)
    if gap == 1:
        return
    for video, own in zip(videos, frames, strict=True):
        if own:
            video.unlabelled = frozenset(range(video.length)) - set(range(own[0] % gap, video.length, gap))


def _splits(source: Path) -> list[str]:
    named = sorted({path.parts[-4] for path in source.glob("*/*/gt/gt.txt")})
    return named or [ONLY_SPLIT] * bool(_without_split(source))


FORM = Form(
    "mot",
    "MOTChallenge: SPLIT/SEQUENCE/ with seqinfo.ini, img1/ and gt/gt.txt; or CVAT's MOT 1.1: gt/gt.txt, gt/labels.txt",
    _splits,
    lambda source, split, media, progress: MotChallenge(source, split, progress, media),
)
