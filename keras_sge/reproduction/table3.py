"""Table 3: where the entropy map stands, in a network whose Squeezed GRU is on conv13."""

from __future__ import annotations

from keras_sge.reproduction.networks import chain, with_entropy, with_four_feature_maps, with_memory
from keras_sge.reproduction.row import Row
from keras_sge.reproduction.table2 import PLACE_NAMES

_PRINTED = dict(zip(PLACE_NAMES, (43.2, 44.3, 45.5, 46.8, 45.5, 45.1, 45.3, 45.7), strict=True))
_SQUEEZED = chain(with_four_feature_maps, with_memory("squeezed_gru"))

ROWS = (
    Row("None", _SQUEEZED, {"map50": 0.457}),
    *(
        Row(name, chain(_SQUEEZED, with_entropy(place)), {"map50": _PRINTED[place] / 100})
        for place, name in PLACE_NAMES.items()
    ),
)
