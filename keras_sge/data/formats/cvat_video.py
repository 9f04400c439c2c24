"""CVAT for video 1.1: annotations.xml with tracks, its frames as pictures, in a video, or elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from edge.errors import InputError
from edge.video.pictures import natural_order, pictures_in
from edge.video.reader import DEFAULT_FPS
from keras_sge.data.formats.annotation_values import Annotation
from keras_sge.data.formats.cvat_video_files import EXPECTED, CvatTask, read_cvat_tasks
from keras_sge.data.formats.form import ONLY_SPLIT, Form, check_split
from keras_sge.data.formats.listed_videos import ListedVideo, ListedVideos
from keras_sge.data.formats.media import Frames, find_media, measure, video_name
from keras_sge.progress import Progress, no_progress

# A subset of a project is a split; these are CVAT's own names. Tasks that nobody has put into one are in "default".
_SPLIT_OF = {"train": "train", "validation": "val", "test": "test"}
_DEFAULT_SUBSET = "default"


class CvatVideo(ListedVideos):
    """What CVAT exports as `CVAT for video 1.1`: of a task, a job, or a project, whose subsets are splits.

    Each task is a video. Its frames are the pictures images/frame_000000.PNG and on, in a project below images/SUBSET;
    else the video file that meta names, or --media; else the pictures of the task in natural order. Frames of a video
    that the task skips (start_frame, frame_filter), or that are not the job's, are unlabelled; pictures that are not
    there are no frames, and the rate falls accordingly. Pictures alone say no rate: it is given as 30.

    Boxes between key frames are as CVAT makes them, linear, also where the file holds key frames only; `outside` ends
    them. Occluded objects count. Of rotated boxes the upright ones around them are taken. Other shapes are left out:
    CVAT's COCO export makes boxes of polygons and masks. Classes are the labels of the task or project, in its order.
    Specification: https://docs.cvat.ai/docs/manual/advanced/xml_format.

    Args:
        source: an XML file; or a folder with annotations.xml, with other such XML files, or with folders that hold an
            annotations.xml each. split: a subset, or ONLY_SPLIT where there are none.
        media: where frames lie that are not beside their annotations. progress: around the tasks.

    Raises:
        InputError: a wrong entry; labels of frames without picture; neither the file nor any frame says a size.
    """

    def __init__(
        self, source: str | Path, split: str, media: Path | None = None, progress: Progress = no_progress
    ):
        source = Path(source)
        files = _files(source)
        if not files:
            raise InputError(f"no annotations.xml in {source}. {EXPECTED}.")
        check_split(split, _splits(source) or [ONLY_SPLIT], source)
        classes: list[str] = []
        notes: list[str] = []
        chosen: list[tuple[CvatTask, _Pictures]] = []
        for path in files:
            names, tasks, own_notes = read_cvat_tasks(path)
            classes += [name for name in names if name not in classes]
            notes += own_notes
            pictures = _Pictures(path.parent, media)
            by_subset = _has_subsets([task.subset for task in tasks])
            chosen += [(task, pictures) for task in tasks if _split(task.subset, by_subset) == split]
        kinds = {name: kind for kind, name in enumerate(classes)}
        taken: set[str] = set()
        alone = len(chosen) == 1
        listed = [_listed(task, kinds, pictures, alone, taken) for task, pictures in progress(chosen)]
        super().__init__(classes, listed, notes)


class _Pictures:
    """The pictures that lie where an export keeps them.

    Args:
        root: the folder of annotations.xml. media: the folder or file that the user has named.
    """

    def __init__(self, root: Path, media: Path | None):
        self.root, self.media = root, media
        self._of_folder: dict[Path, dict[str, Path]] = {}

    def of(self, task: CvatTask) -> dict[int, Path]:
        """Frame -> picture, of those that are there."""
        folders = [folder for folder in (self.media, self.root / "images", self.root) if folder and folder.is_dir()]
        subset = task.subset or _DEFAULT_SUBSET
        for place in (place for folder in folders for place in (folder / subset, folder / "images" / subset, folder)):
            pictures = self._in(place)
            if found := {frame: pictures[name] for frame, name in task.pictures.items() if name in pictures}:
                return found
        # A task of pictures has names of its own, which the file does not say.
        for folder in [] if task.source else folders:
            names = sorted(self._in(folder).values(), key=natural_order)
            if len(names) == len(task.frames):
                return dict(zip(task.frames, names, strict=True))
        return {}

    def _in(self, folder: Path) -> dict[str, Path]:
        if folder not in self._of_folder:
            pictures = pictures_in(folder) if folder.is_dir() else []
            self._of_folder[folder] = {picture.stem: picture for picture in pictures}
        return self._of_folder[folder]


def _listed(task: CvatTask, kinds: dict[str, int], pictures: _Pictures, alone: bool, taken: set[str]) -> ListedVideo:
    source = task.source or task.name
    frames, places, fps = _find_frames(task, pictures, alone)
    width, height = task.width, task.height
    if frames is not None and (isinstance(frames, Path) or not (width and height)):
        measured = measure(frames)
        fps = measured.fps if isinstance(frames, Path) else fps
        width, height = (width, height) if width and height else measured[:2]
    if not (width and height):
        raise InputError(
            f"neither annotations nor frames say the size of {source}. Name the video, or the folder of its pictures, "
            "with --media PATH."
        )
    length = max(places.values()) + 1
    listed = ListedVideo(video_name(_title(source), taken), width, height, length, fps, frames)
    listed.unlabelled = frozenset(range(length)) - frozenset(places.values())
    listed.left_out = {places[frame]: reasons for frame, reasons in task.left_out.items() if frame in places}
    # Shapes that are no tracks are written as tracks of one box.
    single = all(len(boxes) < 2 for _, boxes in task.tracks.values())
    for name, (label, boxes) in task.tracks.items():
        for box in boxes:
            if box.frame not in places:
                raise InputError(
                    f"no picture of frame {box.frame} of {source}, in which track {name} has a box; there are "
                    f"{len(places)} pictures of {len(task.frames)} frames. Export them again."
                )
            x1, y1, x2, y2 = box.corners[:4].tolist()
            annotation = Annotation((x1, y1, x2, y2), kinds[label], None if single else f"track {name}")
            listed.entries.setdefault(places[box.frame], []).append(annotation)
    return listed


def _find_frames(task: CvatTask, pictures: _Pictures, alone: bool) -> tuple[Frames | None, dict[int, int], float]:
    """The frames of a task, the place of each labelled one among them, and the rate if they are pictures."""
    found = pictures.of(task)
    numbers = list(found or task.frames)
    names = [name for name in (task.source, task.name) if name]
    folders = [pictures.root, pictures.root / "videos"]
    frames: Frames | None = [*found.values()] or find_media(names, folders, pictures.media, alone)
    if not isinstance(frames, list):
        return frames, {frame: frame for frame in numbers}, DEFAULT_FPS
    if len(frames) != len(numbers):
        raise InputError(
            f"{frames[0].parent} holds {len(frames)} pictures, {task.source or task.name} has {len(numbers)} frames. "
            "Each frame needs one picture: export them again."
        )
    gap = (numbers[-1] - numbers[0]) / max(1, len(numbers) - 1)
    return frames, {frame: place for place, frame in enumerate(numbers)}, DEFAULT_FPS / max(1, gap)


def _title(source: str) -> str:
    folder, _, name = source.replace("\\", "/").rpartition("/")
    return f"{folder}/{Path(name).stem}"


def _split(subset: str, by_subset: bool) -> str:
    return _SPLIT_OF.get(subset.lower(), subset or _DEFAULT_SUBSET) if by_subset else ONLY_SPLIT


def _has_subsets(subsets: Sequence[str]) -> bool:
    return any(subset not in ("", _DEFAULT_SUBSET) for subset in subsets)


def _files(source: Path) -> list[Path]:
    """The annotation files of a source, if the first of them looks like CVAT's."""
    if source.is_file():
        files = [source] if source.suffix.lower() == ".xml" else []
    elif (source / "annotations.xml").is_file():
        files = [source / "annotations.xml"]
    else:
        inside = sorted(path for path in source.glob("*.xml") if not path.name.startswith("."))
        files = inside or sorted(source.glob("*/annotations.xml"))
    try:
        return files if files and b"<annotations" in files[0].open("rb").read(2000) else []
    except OSError:
        return []


def _splits(source: Path) -> Sequence[str]:
    splits: list[str] = []
    for path in _files(source):
        subsets = _subsets(path)
        splits += [_split(subset, _has_subsets(subsets)) for subset in subsets]
    return sorted(set(splits))


def _subsets(path: Path) -> list[str]:
    """Of each task the subset, from the beginning of a file; one of none where that cannot be read."""
    subsets = []
    try:
        with path.open("rb") as file:
            for _, entry in ElementTree.iterparse(file):
                if entry.tag == "task":
                    subsets.append((entry.findtext("subset") or "").strip())
                if entry.tag == "meta":
                    break
    except (OSError, ValueError, LookupError, ElementTree.ParseError):
        return [""]
    return subsets or [""]


FORM = Form(
    "cvat-video",
    "CVAT for video 1.1: annotations.xml, its frames in images/ or in the video",
    _splits,
    lambda source, split, media, progress: CvatVideo(source, split, media, progress),
)
