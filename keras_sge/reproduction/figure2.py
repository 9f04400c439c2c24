"""Figure 2: frames beside their entropy maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge.atomic import atomic_path
from edge.preprocess import resize_frame
from keras_sge.data import VideoDataset
from keras_sge.pictures import entropy_figure

# Of the paper's network; the map is computed on the network's input.
_INPUT = 320


def figure2(videos: VideoDataset, out: str | Path, frames: int = 3) -> list[Path]:
    """Draws raw image | map in 2-D | map in 3-D of the middle frames of videos from all over the set.

    Frames larger than the paper's input, 320 x 320, are resized to it, as the network sees them.

    Args:
        videos: where the frames come from. out: folder for `figure2_1.png` and on, and `figure2.md` that shows them.
        frames: how many.

    Returns:
        The pictures.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    pictures, lines = [], ["# Figure 2: raw image, entropy map in 2-D and in 3-D", ""]
    for index in np.linspace(0, len(videos) - 1, min(frames, len(videos))).astype(int).tolist():
        video = videos.videos[index]
        middle = video.length // 2
        frame = videos.read(index, middle, middle + 1)[0]
        path = out / f"figure2_{len(pictures) + 1}.png"
        entropy_figure(resize_frame(frame, _INPUT, _INPUT) if min(frame.shape[:2]) > _INPUT else frame, path)
        pictures.append(path)
        lines += [f"![{video.name}, frame {middle}]({path.name})", "", f"{video.name}, frame {middle}", ""]
    with atomic_path(out / "figure2.md") as temporary:
        Path(temporary).write_text("\n".join(lines))
    return pictures
