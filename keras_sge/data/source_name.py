"""Which recording a clip was cut from."""

from __future__ import annotations

import re


def source_name(video: str) -> str:
    """The source of a video by its name: `V_BIRD_012_3` is window 3 of `V_BIRD_012`; other names are their own."""
    found = re.fullmatch(r"(.*_\d+)_\d+", video)
    return found[1] if found else video
