"""What cameras and links do to frames: beyond the kinds that the degraded protocol measures with."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

CAMERA_KINDS = ("compression", "low light", "exposure", "frozen", "glare", "rain", "occlusion")
# The size of a grain of a low light's noise and of a rain streak, for frames with this longer side.
_REFERENCE_SIDE = 192


class CameraDamage:
    """Damages every frame by one of `CAMERA_KINDS`, all equally likely.

    `compression`: JPEG at quality 2 to 12. `low light`: a tenth to a third of the light, then noise, brightened again.
    `exposure`: too bright or too dark by 1.5 to 3 stops. `frozen`: the last frame that was not, undamaged. `glare`: a
    bright spot over a third to the whole of the frame. `rain`: bright streaks. `occlusion`: one large shape of one
    color over a third to two thirds of each side.
    """

    def degrade(
        self, frames: Iterable[np.ndarray], rngs: Iterable[np.random.Generator], plan: np.ndarray | None, key: list[int]
    ) -> list[np.ndarray]:
        """Frames of one clip, damaged; arguments as of `keras_sge.data.degradation.Degradation.degrade`."""
        result: list[np.ndarray] = []
        frames = list(frames)
        seen = frames[0] if frames else None
        for frame, rng, run in zip(frames, rngs, [0] * len(frames) if plan is None else plan.tolist(), strict=True):
            kind_rng = rng if plan is None else np.random.default_rng([*key, max(run, 0), 3])
            kind = CAMERA_KINDS[kind_rng.integers(len(CAMERA_KINDS))] if run >= 0 else None
            if kind != "frozen":
                seen = frame
            result.append(_KINDS[kind](seen, kind_rng, rng) if kind in _KINDS else seen)
        return result


def _compression(frame: np.ndarray, rng: np.random.Generator, noise: np.random.Generator) -> np.ndarray:
    quality = int(rng.integers(2, 13))
    return cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def _low_light(frame: np.ndarray, rng: np.random.Generator, noise: np.random.Generator) -> np.ndarray:
    light, gain = rng.uniform(0.1, 0.35), rng.uniform(1, 2.5)
    grains = noise.standard_normal(frame.shape, np.float32) * np.float32(rng.uniform(6, 14))
    return np.clip((frame * np.float32(light) + grains) * np.float32(gain), 0, 255).astype(np.uint8)


def _exposure(frame: np.ndarray, rng: np.random.Generator, noise: np.random.Generator) -> np.ndarray:
    stops = rng.uniform(1.5, 3) * rng.choice((-1, 1))
    return np.clip(frame * np.float32(2**stops), 0, 255).astype(np.uint8)


def _glare(frame: np.ndarray, rng: np.random.Generator, noise: np.random.Generator) -> np.ndarray:
    rows, columns = frame.shape[:2]
    y, x = np.ogrid[:rows, :columns]
    size = max(rows, columns) * rng.uniform(0.15, 0.5)
    distance = np.hypot(y - rng.uniform(0, rows), x - rng.uniform(0, columns)) / size
    light = rng.uniform(180, 320) * np.exp(-(distance**2)).astype(np.float32)[..., None]
    return np.clip(frame + light, 0, 255).astype(np.uint8)


def _rain(frame: np.ndarray, rng: np.random.Generator, noise: np.random.Generator) -> np.ndarray:
    rows, columns = frame.shape[:2]
    scale = max(rows, columns) / _REFERENCE_SIDE
    slant, length = rng.uniform(-0.4, 0.4), rng.uniform(12, 40) * scale
    streaks = np.zeros((rows, columns), np.float32)
    for x, y in noise.uniform(0, 1, (int(rng.integers(80, 300)), 2)):
        start = round(x * columns), round(y * rows)
        end = round(x * columns + slant * length), round(y * rows + length)
        cv2.line(streaks, start, end, 1.0, max(1, round(scale)))
    light = cv2.GaussianBlur(streaks, (0, 0), 0.8 * scale)[..., None] * np.float32(rng.uniform(100, 220))
    return np.clip(frame * np.float32(rng.uniform(0.6, 0.95)) + light, 0, 255).astype(np.uint8)


def _occlusion(frame: np.ndarray, rng: np.random.Generator, noise: np.random.Generator) -> np.ndarray:
    result, (rows, columns) = frame.copy(), frame.shape[:2]
    half = np.array([rng.uniform(1 / 6, 1 / 3) * side for side in (columns, rows)]).astype(int)
    center = rng.integers((columns, rows))
    color = rng.integers(0, 256, 3).tolist()
    if rng.random() < 0.5:
        cv2.ellipse(result, center.tolist(), half.tolist(), rng.uniform(0, 180), 0, 360, color, -1)
    else:
        cv2.rectangle(result, (center - half).tolist(), (center + half).tolist(), color, -1)
    return result


_KINDS = {
    "compression": _compression,
    "low light": _low_light,
    "exposure": _exposure,
    "glare": _glare,
    "rain": _rain,
    "occlusion": _occlusion,
}
