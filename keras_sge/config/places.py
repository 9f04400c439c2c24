"""Where in the network a temporal module or an entropy attention can stand, in the paper's names (Tables 2 and 3)."""

from __future__ import annotations

import difflib

from edge.errors import InputError

# Map of the trunk -> its stride and its channels at alpha 1.
TRUNK_PLACES = {"conv3": (4, 128), "conv4": (4, 128), "conv12": (16, 512), "conv13": (32, 1024)}
FEATURE_MAPS = ("feature_map1", "feature_map2", "feature_map3", "feature_map4")
PLACES = (*TRUNK_PLACES, *FEATURE_MAPS)


def place_stride(place: str) -> int:
    """Pixels of the input for each cell of the map at `place`; sides are rounded up."""
    return TRUNK_PLACES[place][0] if place in TRUNK_PLACES else 2 ** (5 + feature_map_number(place))


def feature_map_number(place: str) -> int:
    """1 for `feature_map1`, the first SSD extra; 0 for a map of the trunk."""
    return 0 if place in TRUNK_PLACES else 1 + FEATURE_MAPS.index(place)


def check_place(key: str, place: str) -> None:
    """Raises InputError unless `place` is one; `key` is the setting's dotted path."""
    if place not in PLACES:
        close = difflib.get_close_matches(place, PLACES, 1)
        hint = f" Did you mean {close[0]}?" if close else f" For none, set {key.rpartition('.')[0]} to null."
        raise InputError(f"{key} must be one of {', '.join(PLACES)}. Received: {place!r}.{hint}")
