"""The tasks of a Label Studio export: which annotation of each counts, its regions, and the video that it is of."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from edge.errors import InputError
from edge.video.reader import is_video
from keras_sge.data.formats.annotation_values import whole_number
from keras_sge.data.formats.form import find_path, read_json

VIDEO_RECTANGLE = "videorectangle"
# Types of regions that pictures have; videos have no such boxes.
_OF_PICTURES = ("rectanglelabels", "rectangle", "brushlabels", "ellipselabels", "polygonlabels", "keypointlabels")
_EXPECTED = "Expected an export of Label Studio in the form JSON or JSON-MIN"
# A list whose beginning has one of these words is an export, and so is a single task with the first two.
_KEYS = re.compile(rb'"(?:result|annotations|sequence|lead_time|annotation_id)"\s*:')
_TASK = re.compile(rb'"annotations"\s*:.*"result"\s*:', re.DOTALL)
_BEGINNING = 1 << 16
# What Label Studio puts in front of the name of a file that was uploaded.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")


class StudioRegion(NamedTuple):
    """One region: its `value`, names of its labels, stripped, its track, and where it stands for people."""

    value: dict[str, Any]
    labels: list[str]
    track: str
    where: str


@dataclass(frozen=True)
class StudioTask:
    """One task with the annotation that counts.

    Attributes:
        name: for people, such as "task 7". where: the same with the file. media: the video as the task names it.
        regions: those of type `videorectangle`. frame_count: as Label Studio counted; None where no region says.
    """

    name: str
    where: str
    media: str
    regions: list[StudioRegion]
    frame_count: int | None

    @property
    def video_name(self) -> str:
        """The video's name without the folder, the ending and what Label Studio put in front."""
        return _UPLOADED.sub("", PurePosixPath(self.media).stem)

    def find_video(self, folder: Path, media: Path | None, alone: bool) -> Path:
        """The video file: `media` where it is one and the task is `alone`, else below `folder` or `media` by its name.

        Raises:
            InputError: there is none.
        """
        if media is not None and media.is_file() and alone:
            return media
        folders = [folder] if media is None else [media if media.is_dir() else media.parent, folder]
        path = PurePosixPath(self.media)
        for name in (path, path.with_name(_UPLOADED.sub("", path.name))):
            found = find_path(str(name), folders)
            if found is not None and found.is_file():
                return found
        raise InputError(
            f"{self.where}: no video {path.name} in {' or '.join(map(str, folders))}. Its boxes are percent of the "
            "frame, so the file is needed: name it, or the folder that holds it, with --media PATH."
        )


def find_export(source: Path) -> Path | None:
    """The export that a source is or, at its top, holds; None where there is none."""
    files = [source] if source.is_file() else sorted(source.glob("*.json")) if source.is_dir() else []
    return next((path for path in files if path.suffix.lower() == ".json" and _is_export(path)), None)


def read_tasks(path: Path) -> tuple[list[StudioTask], list[str]]:
    """The tasks that somebody has annotated, in the file's order, and what there is to say about the others.

    Raises:
        InputError: it is no export, two tasks have one id, or none is annotated.
    """
    document = read_json(path, _EXPECTED)
    entries = [document] if isinstance(document, dict) else document
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path} is no list of tasks. {_EXPECTED}.")
    tasks: dict[str, StudioTask] = {}
    counts: Counter[str] = Counter()
    for number, entry in enumerate(entries, start=1):
        own_id = entry.get("id", number)
        name = f"task {own_id if isinstance(own_id, int | str) else number}"
        where = f"{path}: {name}"
        small = "annotations" not in entry
        if name in tasks and small:
            # JSON-MIN has an entry for each annotation of a task.
            counts["further annotations of tasks that have one already"] += 1
            continue
        if name in tasks:
            raise InputError(f"{where} is there twice. Each task needs an id of its own.")
        results = _min_results(entry) if small else _results(entry, where, counts)
        if results is None:
            counts["tasks that nobody has annotated"] += 1
            continue
        tasks[name] = _task(entry if small else entry.get("data"), results, name, where, counts)
    if not tasks:
        raise InputError(f"{path} has no task with an annotation. {_EXPECTED}, of tasks that were submitted.")
    return list(tasks.values()), [f"{count:,} {what} are left out." for what, count in counts.items() if count]


def _is_export(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            text = file.read(_BEGINNING).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError:
        return False
    return bool((text[:1] == b"[" and _KEYS.search(text)) or (text[:1] == b"{" and _TASK.search(text)))


def _results(task: dict[str, Any], where: str, counts: Counter[str]) -> list[dict[str, Any]] | None:
    """The results of the first annotation that is not cancelled."""
    annotations = task["annotations"]
    if not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
        raise InputError(f"{where}: annotations must be a list of objects. {_EXPECTED}.")
    kept = [one for one in annotations if not one.get("was_cancelled")]
    if not kept:
        return None
    if len(kept) > 1:
        counts["further annotations of tasks that have one already"] += len(kept) - 1
    results = kept[0].get("result")
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise InputError(f"{where}: result must be a list of regions. {_EXPECTED}.")
    return results


def _min_results(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The regions of a task of JSON-MIN, which has their values below the names of the tags."""
    lists = [value for value in task.values() if isinstance(value, list)]
    values = [value for value in itertools.chain(*lists) if isinstance(value, dict)]
    return [{"type": _min_type(value), "value": value} for value in values]


def _min_type(value: dict[str, Any]) -> str:
    if "sequence" in value and "ranges" not in value:
        return VIDEO_RECTANGLE
    return next((kind for kind in (*_OF_PICTURES, "timelinelabels") if kind in value), "other")


def _task(data: Any, results: list[dict[str, Any]], name: str, where: str, counts: Counter[str]) -> StudioTask:
    kinds = [str(result.get("type")).lower() for result in results]
    if VIDEO_RECTANGLE not in kinds and (wrong := [kind for kind in kinds if kind in _OF_PICTURES]):
        raise InputError(
            f"{where} is of a picture: its regions have the type {wrong[0]}. Supported: videos with regions of the "
            f"type {VIDEO_RECTANGLE}. Export pictures from Label Studio as COCO, YOLO or Pascal VOC."
        )
    regions: dict[str, StudioRegion] = {}
    # A region's labels, or what else is said of it, may be a result of its own with its id.
    ids = [str(result.get("id") or number) for number, result in enumerate(results, start=1)]
    labels_of = {track: _labels(result) for track, result in zip(ids, results, strict=True) if _labels(result)}
    boxes = {track for track, kind in zip(ids, kinds, strict=True) if kind == VIDEO_RECTANGLE}
    for track, kind, result in zip(ids, kinds, results, strict=True):
        place = f"{where}, region {track}"
        if kind != VIDEO_RECTANGLE:
            counts[f"regions of the type {kind}"] += track not in boxes
        elif track in regions:
            raise InputError(f"{place} is there twice. Each region needs an id of its own.")
        elif not isinstance(result.get("value"), dict):
            raise InputError(f"{place} lacks its value. {_EXPECTED}.")
        else:
            regions[track] = StudioRegion(result["value"], _labels(result) or labels_of.get(track, []), track, place)
    stated = (region.value.get("framesCount") for region in regions.values())
    count = next((whole_number(one, f"{where}: framesCount", low=1) for one in stated if one), None)
    return StudioTask(name, where, _media(data, where), list(regions.values()), count)


def _labels(result: dict[str, Any]) -> list[str]:
    value = result.get("value")
    names = value.get("labels") if isinstance(value, dict) else None
    names = [names] if isinstance(names, str) else names if isinstance(names, list) else []
    return list(dict.fromkeys(name.strip() for name in names if isinstance(name, str) and name.strip()))


def _media(data: Any, where: str) -> str:
    """The path of the video that a task's data name, out of a URL or a local one."""
    texts = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
    for text in texts:
        url = urlsplit(text.replace("\\", "/"))
        # Local files are served as /data/local-files/?d=folder/clip.mp4.
        path = parse_qs(url.query).get("d", [unquote(url.path)])[0]
        if is_video(path):
            return path
    raise InputError(f"{where} names no video. Expected in its data a path or URL that ends in mp4 or the like.")
