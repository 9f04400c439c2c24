"""Pascal VOC: an XML file for each frame, in a folder of its own or beside the pictures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import InputError
from edge.video.pictures import is_picture, natural_order, read_picture
from edge.video.reader import is_video
from keras_sge.data.formats.annotation_values import Annotation
from keras_sge.data.formats.form import ONLY_SPLIT, Form, check_split, find_path, read_text
from keras_sge.data.formats.frame_names import group_frames, pictures_fps
from keras_sge.data.formats.listed_videos import ListedVideo, ListedVideos, pictures_note, video_of_frames
from keras_sge.data.formats.media import find_media
from keras_sge.data.formats.voc_objects import VocFrame, is_voc, read_voc_frame
from keras_sge.progress import Progress, no_progress

# Roboflow's exports have a folder for each split.
_SPLIT_FOLDERS = ("train", "val", "valid", "validation", "test")
# CVAT's word for a set without splits.
_DEFAULT = "default"
_BACKGROUND = "background"


class PascalVoc(ListedVideos):
    """A folder with `Annotations/*.xml` and `JPEGImages/`, or with pictures beside their XML files
    (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html).

    A frame's picture has the name of its XML file, else the one that `filename` says, with either slash. Pictures are
    put together to videos by their names, see `group_frames`, if all of them have one size. The files say no frame
    rate: 30 is taken, and less where numbers are skipped. A picture without an XML file is an unlabelled frame; a video
    that has no XML file at all is left out.

    Corners are taken as they stand, xmin to xmax: VOC counts pixels from 1 and includes the last, but most tools write
    0 to the width. `difficult` objects are regions to ignore; objects without `bndbox` are left out. Tracks come from
    CVAT's attribute `track_id`. Splits are the lists of `ImageSets/Main`, or folders named train, valid and test; else
    `all`. Where there are no pictures, --media may name the video that they were taken from, or a folder of videos; the
    numbers in names are its frames, from 0, or from 1 where the first is 1, and frames without an XML file are
    unlabelled. Classes are in the order of CVAT's `labelmap.txt` where there is one, else sorted.

    Args:
        source: the folder. split: its name. media: where frames are that are not there.
        progress: around the XML files.

    Raises:
        InputError: a missing picture or a wrong file; the message names file and object.
    """

    def __init__(
        self,
        source: str | Path,
        split: str = ONLY_SPLIT,
        media: Path | None = None,
        progress: Progress = no_progress,
    ):
        source = Path(source)
        splits = _splits(source)
        check_split(split, splits, source)
        frames = _find_frames(source, split, media, progress)
        classes = _classes(source, [frame.voc for frame in frames.values() if frame.voc])
        if not classes:
            raise InputError(f"{source} has no object with a bndbox in the split {split!r}.")
        class_of = {name: index for index, name in enumerate(classes)}
        listed: list[ListedVideo] = []
        dropped = 0
        groups = group_frames(list(frames), split if len(splits) > 1 else "")
        for name, group in groups.items():
            own = [frames[key] for _, key in group]
            file = None if any(frame.picture for frame in own) else _video_file(name, media, len(groups) == 1)
            if file:
                listed.append(_of_video_file(name, file, [number for number, _ in group], own, class_of))
                continue
            if not any(frame.voc for frame in own):
                dropped += len(own)
                continue
            listed += _videos(name, [number for number, _ in group], own, class_of)
        pictures = [video for video in listed if not isinstance(video.frames, Path)]
        notes = [pictures_note(sum(video.length for video in pictures), pictures)] if pictures else []
        if dropped:
            notes.append(f"{dropped:,} pictures without an XML file, whose videos have none, are left out.")
        super().__init__(classes, listed, notes)


@dataclass(frozen=True)
class _Frame:
    """A picture, None where it is not there, and its annotation, None where nobody has labelled it."""

    picture: Path | None
    voc: VocFrame | None

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height as the annotation says, else of the picture; None for an unlabelled frame."""
        if self.voc is None:
            return None
        if self.voc.size is None and self.picture is None:
            raise InputError(
                f"{self.voc.path} does not say its size. Name the folder that holds its picture with --media PATH."
            )
        return self.voc.size or read_picture(self.picture).shape[1::-1]


def _find_frames(source: Path, split: str, media: Path | None, progress: Progress) -> dict[str, _Frame]:
    """Every frame of a split, by the name of its picture below its folder, in natural order."""
    if media is not None and not media.is_dir() and not (media.is_file() and is_video(media)):
        raise InputError(f"{media} is no video and no folder: --media names the video, or the folder of the pictures.")
    annotations = _child(source, "annotations")
    top = source if annotations or split == ONLY_SPLIT else source / split
    files = _by_stem(annotations or top, ".xml")
    folders = [_child(top, name) for name in ("jpegimages", "images")]
    roots = [root for root in (*folders, media, annotations or top) if root is not None and root.is_dir()]
    pictures = _pictures(roots)
    lists = _lists(source) if annotations else {}
    listed = _read_list(lists[split]) if split in lists else None
    if listed is not None and (lacking := [stem for stem in listed if stem not in files and stem not in pictures]):
        raise InputError(
            f"{lists[split]} names {lacking[0]}, which has no XML file and no picture ({len(lacking)} such frames)."
        )
    wanted = [stem for stem in files if listed is None or stem in listed]
    frames: dict[str, _Frame] = {}
    of_picture: dict[Path, Path] = {}
    for stem in progress(wanted):
        voc = read_voc_frame(files[stem])
        picture = pictures.get(stem) or (find_path(voc.picture, roots) if voc.picture else None)
        if picture is not None and of_picture.setdefault(picture, voc.path) != voc.path:
            raise InputError(f"{of_picture[picture]} and {voc.path} are both of {picture}. Remove one of them.")
        frames[stem + (picture.suffix if picture else ".jpg")] = _Frame(picture, voc)
    unlabelled = [stem for stem in pictures if stem not in files and (listed is None or stem in listed)]
    frames |= {
        stem + pictures[stem].suffix: _Frame(pictures[stem], None)
        for stem in unlabelled
        if pictures[stem] not in of_picture
    }
    return {name: frames[name] for name in sorted(frames, key=natural_order)}


def _videos(name: str, numbers: Sequence[int], frames: Sequence[_Frame], class_of: dict[str, int]) -> list[ListedVideo]:
    """One video; or one for each labelled picture where their sizes differ."""
    sizes = [frame.size for frame in frames]
    known = [size for size in sizes if size is not None]
    if len(set(known)) > 1:
        return [
            _video(f"{name}_{number}", [0], [frame], size, class_of)
            for number, frame, size in zip(numbers, frames, sizes, strict=True)
            if size is not None
        ]
    return [_video(name, numbers, frames, known[0], class_of)]


def _video(
    name: str, numbers: Sequence[int], frames: Sequence[_Frame], size: tuple[int, int], class_of: dict[str, int]
) -> ListedVideo:
    pictures = [frame.picture for frame in frames if frame.picture]
    lacking = [frame.voc.path for frame in frames if frame.voc and not frame.picture]
    if pictures and lacking:
        raise InputError(
            f"{lacking[0]} has no picture ({len(lacking)} such frames of {name}). Copy the folder again, or name the "
            "folder that holds them with --media PATH."
        )
    video = ListedVideo(name, *size, len(frames), pictures_fps(numbers), pictures or None)
    video.unlabelled = frozenset(place for place, frame in enumerate(frames) if frame.voc is None)
    return _labelled(video, range(len(frames)), frames, class_of)


def _video_file(name: str, media: Path | None, alone: bool) -> Path | None:
    """The video file of a video without pictures, if the user has named it."""
    found = find_media([name], [], media, alone) if media else None
    return found if isinstance(found, Path) else None


def _of_video_file(
    name: str, file: Path, numbers: Sequence[int], frames: Sequence[_Frame], class_of: dict[str, int]
) -> ListedVideo:
    labelled = [frame.voc for frame in frames if frame.voc]
    video, places = video_of_frames(name, file, numbers, labelled[-1].path)
    # Frames of another size than was labelled are refused where they are turned upright.
    video.width, video.height = next((voc.size for voc in labelled if voc.size), (video.width, video.height))
    video.unlabelled = frozenset(range(video.length)) - set(places)
    return _labelled(video, places, frames, class_of)


def _labelled(
    video: ListedVideo, places: Sequence[int], frames: Sequence[_Frame], class_of: dict[str, int]
) -> ListedVideo:
    """The video with what frames at these places of it hold."""
    for place, frame in zip(places, frames, strict=True):
        if frame.voc is not None:
            video.left_out[place] = frame.voc.left_out
            video.entries[place] = [
                Annotation(one.corners, class_of[one.name], one.track, one.difficult) for one in frame.voc.objects
            ]
    return video


def _classes(source: Path, frames: Sequence[VocFrame]) -> list[str]:
    present = {one.name: frame.path for frame in frames for one in frame.objects}
    path = source / "labelmap.txt"
    if not path.is_file():
        return sorted(present)
    lines = read_text(path, "Expected CVAT's list, lines such as car:128,0,0::").splitlines()
    listed = [line.split(":")[0].strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if twice := next((name for place, name in enumerate(listed) if name in listed[:place]), None):
        raise InputError(f"{path} has the class {twice!r} twice. Expected distinct names.")
    if unknown := next((name for name in present if name not in listed), None):
        raise InputError(f"{present[unknown]} has the class {unknown!r}, which is not in {path}. Add it there.")
    # VOC's own lists begin with the class of what is no object.
    return [name for name in listed if name != _BACKGROUND or name in present]


def _pictures(roots: Sequence[Path]) -> dict[str, Path]:
    """Every picture once, by its path below the first root that has it, without suffix."""
    pictures: dict[str, Path] = {}
    seen: set[Path] = set()
    for root in roots:
        # A root may lie in another one.
        new = {stem: path for stem, path in _by_stem(root).items() if path.resolve() not in seen}
        pictures = new | pictures
        seen |= {path.resolve() for path in new.values()}
    return pictures


def _by_stem(folder: Path, suffix: str | None = None) -> dict[str, Path]:
    """The pictures, or the files of a suffix, below a folder, by path without suffix, in natural order."""
    paths = (path for path in folder.rglob("*") if (is_picture(path) if suffix is None else _is(path, suffix)))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(paths, key=natural_order)}


def _is(path: Path, suffix: str) -> bool:
    return path.suffix.lower() == suffix and not path.name.startswith(".")


def _child(folder: Path, name: str) -> Path | None:
    """The folder of that name in lower or upper case."""
    return next((path for path in sorted(folder.glob("*")) if path.name.lower() == name and path.is_dir()), None)


def _lists(source: Path) -> dict[str, Path]:
    """Split -> the file that lists its frames."""
    files = {path.stem: path for path in sorted((source / "ImageSets" / "Main").glob("*.txt"))}
    # cat_train.txt says for each frame of train.txt whether it holds a cat.
    files = {name: path for name, path in files.items() if not any(name.endswith(f"_{other}") for other in files)}
    if "train" in files and "val" in files:
        files.pop("trainval", None)
    return {ONLY_SPLIT: files[_DEFAULT]} if list(files) == [_DEFAULT] else files


def _read_list(path: Path) -> dict[str, None]:
    """The frames of a list: paths without suffix; names with spaces stand in quotes."""
    lines = (line.strip() for line in read_text(path, "Expected the name of a frame a line").splitlines())
    stems = (line.split('"')[1] if line.startswith('"') else line for line in lines if line)
    return dict.fromkeys(stem.replace("\\", "/") for stem in stems)


def _has_voc(folder: Path) -> bool:
    """Whether the first XML file in a folder, or in a folder of it, is VOC's."""
    first = next(itertools.chain(folder.glob("*.xml"), folder.glob("*/*.xml")), None)
    return first is not None and is_voc(first)


def _splits(source: Path) -> list[str]:
    annotations = _child(source, "annotations")
    if annotations is not None:
        # ImageNet's trees look alike.
        return list(_lists(source)) or [ONLY_SPLIT] if _has_voc(annotations) and not _child(annotations, "vid") else []
    if not _has_voc(source):
        return []
    inner = [] if any(source.glob("*.xml")) else [name for name in _SPLIT_FOLDERS if _has_voc(source / name)]
    return inner or [ONLY_SPLIT]


FORM = Form(
    "voc",
    "Pascal VOC: Annotations/*.xml and JPEGImages/, or pictures beside their XML files",
    _splits,
    lambda source, split, frames, progress: PascalVoc(source, split, frames, progress),
)
