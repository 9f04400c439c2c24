"""Table 1: temporal modules."""

from __future__ import annotations

from typing import Any

from keras_sge.reproduction.networks import chain, with_entropy, with_memory, with_top_down
from keras_sge.reproduction.row import Row

_SQUEEZED = with_memory("squeezed_gru")


def _printed(map50: float, macs: float, millions: float | None = None) -> dict[str, Any]:
    temporal = {} if millions is None else {"temporal_params": millions * 1e6}
    return {"map50": map50 / 100, **temporal, "macs_per_clip": macs * 1e9}


BASELINE = "MNet-SSD"
ROWS = (
    Row(BASELINE, printed=_printed(43.1, 11.59)),
    Row("MNet-SSD, scores averaged by clip", of=BASELINE, run={"average_scores": "clip"}, ours=True),
    Row("MNet-SSD, scores averaged by track", of=BASELINE, run={"average_scores": "track"}, ours=True),
    Row("LSTM", with_memory("lstm", 1024), _printed(46.3, 41.06, 8.41)),
    Row("GRU", with_memory("gru", 1024), _printed(46.5, 35.51, 6.33)),
    Row("ConvGRU", with_memory("conv_gru"), _printed(46.9, 24.16, 29.49)),
    Row("Bottleneck-LSTM", with_memory("bottleneck_lstm"), ours=True),
    Row("Squeezed GRU", _SQUEEZED, _printed(45.7, 12.18, 0.67)),
    Row("Squeezed GRU, reset every frame", of="Squeezed GRU", run={"reset_every_frame": True}, ours=True),
    Row("Squeezed GRU, equations 5-7", with_memory("squeezed_gru", squeeze="gate"), ours=True),
    Row("Squeezed GRU + IE map", chain(_SQUEEZED, with_entropy()), _printed(46.8, 13.98, 0.67)),
    Row("Squeezed GRU + IE map, mean-keeping", chain(_SQUEEZED, with_entropy(form="mean_keeping")), ours=True),
    Row("Squeezed GRU, top-down", chain(_SQUEEZED, with_top_down), ours=True),
)
