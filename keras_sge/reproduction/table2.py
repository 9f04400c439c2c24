"""Table 2: where the Squeezed GRU stands."""

from __future__ import annotations

from keras_sge.reproduction.networks import chain, with_four_feature_maps, with_memory_at
from keras_sge.reproduction.row import Row

PLACE_NAMES = {
    "conv3": "Conv-3",
    "conv4": "Conv-4",
    "conv12": "Conv-12",
    "conv13": "Conv-13",
    **{f"feature_map{number}": f"Feature Map-{number}" for number in range(1, 5)},
}
_PRINTED = dict(zip(PLACE_NAMES, (42.5, 43.4, 44.8, 45.7, 45.2, 44.6, 45.2, 44.9), strict=True))

ROWS = (
    Row("None", with_four_feature_maps, {"map50": 0.431}),
    *(
        Row(name, chain(with_four_feature_maps, with_memory_at(place)), {"map50": _PRINTED[place] / 100})
        for place, name in PLACE_NAMES.items()
    ),
)
