"""Which recording a clip was cut from."""

from __future__ import annotations

import re

# What follows the source's part of a name: windows, the snippets that ImageNet VID's training videos are, and the
# detectors that MOT17 repeats its sequences for.
_PARTS = (r"(.*_\d+)_\d{1,3}", r"(ILSVRC2015_train_\d{5})\d{3}", r"(MOT\d\d-\d+)-\w+")


def source_name(video: str) -> str:
    """The source of a video by its name: `V_BIRD_012_3` is window 3 of `V_BIRD_012`, and others are their own.

    `ILSVRC2015_train_00005003` is snippet 3 of source 5.
    """
    video = re.sub(r"\.(mp4|avi|mov|mkv|webm)$", "", video, flags=re.IGNORECASE)
    found = next(filter(None, (re.fullmatch(pattern, video) for pattern in _PARTS)), None)
    return found[1] if found else video
