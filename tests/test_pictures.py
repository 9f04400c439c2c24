"""Pictures for people: what the entropy figure shows."""

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_sge.pictures import entropy_figure


@pytest.mark.parametrize("size", [(64, 64), (320, 320), (240, 427), (200, 1280), (360, 64)])
def test_the_entropy_figure_shows_the_object_and_is_not_clipped(size, tmp_path, monkeypatch):
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: drawn.append(figure) or save(figure, *a, **k))
    height, width = size
    # A flat sky whose noise is a gray value, as in a compressed video, and an object with structure.
    rng = np.random.default_rng(0)
    frame = (180 + rng.integers(0, 2, (*size, 3)) * (rng.random((*size, 1)) < 0.05)).astype(np.uint8)
    inside = np.s_[height // 3 : height // 2, width // 3 : width // 2]
    frame[inside] = rng.integers(0, 255, frame[inside].shape)
    entropy_figure(frame, tmp_path / "x.png")
    [figure] = drawn
    raw, flat, relief, bar = figure.axes
    # The three views of the paper's Fig. 2; both of the map on one scale.
    assert raw.images[0].get_array().shape[:2] == size and relief.name == "3d"
    shown = np.asarray(flat.images[0].get_array())
    assert flat.images[0].get_clim() == pytest.approx(relief.get_zlim())
    core = shown[inside][3:-3, 3:-3]
    assert core.mean() > 2 and shown[: height // 5].mean() < 0.8
    # The object rises to the top of the scale, the ground lies at its bottom.
    low, high = flat.images[0].get_clim()
    assert np.median(core) > low + 0.7 * (high - low) and np.median(shown) < low + 0.3 * (high - low)
    # Nothing leaves the picture: its edges are blank, but where frame and map fill the height.
    picture = cv2.imread(str(tmp_path / "x.png"))
    assert (picture[:, -1] == 255).all() and (picture[[0, -1]] == 255).all()
    assert bar.get_ylabel() == "bits"
