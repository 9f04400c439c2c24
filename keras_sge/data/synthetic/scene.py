"""The camera: where it points, and what it does to the picture."""

from __future__ import annotations

from functools import cached_property, lru_cache

import cv2
import numpy as np

from keras_sge.data.synthetic.track import jerks, sway

_TILE_MARGIN = 61
# BGR at the top and at the horizon.
_SKIES = (
    ((190, 120, 60), (225, 185, 140)),
    ((165, 110, 75), (205, 175, 150)),
    ((215, 165, 110), (235, 215, 190)),
    ((175, 165, 155), (205, 200, 195)),
    ((140, 132, 126), (170, 165, 160)),
    ((110, 75, 70), (150, 140, 190)),
    ((125, 85, 60), (130, 165, 220)),
)


class Scene:
    """The scenery of one video.

    Everything is laid out on a canvas wider than the frame by `margin` on each side; the camera's place cuts the frame
    out of it. Geometry is made at once, pixels when first asked for.

    Attributes:
        margin: pixels of canvas beyond the frame on each side.
        tone: BGR (3,), the mean color of the clear sky.
    """

    def __init__(self, rng: np.random.Generator, size: int, frames: int):
        self.size = size
        self.margin = -(-size // 7)
        self.side = size + 2 * self.margin
        palette = np.array(_SKIES[rng.integers(len(_SKIES))], np.float64)
        self._palette = np.clip(palette * rng.uniform(0.85, 1.1) + rng.normal(0, 4, (1, 3)), 0, 255)
        self.tone = self._palette.mean(0)
        self._cover = rng.uniform(0.35, 0.8)
        self._cloud_strength = rng.uniform(0.15, 0.75)
        self._veil_strength = rng.uniform(0.6, 0.95) if rng.random() < 0.35 else 0.0
        self._drift = np.round(sway(rng, frames, 0.05 * size, (150, 500))).astype(int)
        self._trees = self._tree_line(rng) if rng.random() < 0.4 else None
        self._poles = self._pole_edges(rng) if rng.random() < 0.25 else []
        self._wires = int(rng.integers(1, 4)) if self._poles or rng.random() < 0.12 else 0
        self._seed = int(rng.integers(2**63))

    def hidden(self, points: np.ndarray, camera: np.ndarray) -> np.ndarray:
        """bool (n,): which points (n, 2) of the frame are behind trees or poles, for the camera's place x, y."""
        x, y = (points + camera + self.margin).T
        found = np.zeros(len(points), bool)
        if self._trees is not None:
            found |= y > self._trees[np.clip(x.astype(int), 0, self.side - 1)]
        for left, right, top in self._poles:
            found |= (x > left) & (x < right) & (y > top)
        return found

    def may_hide(self, bounds: np.ndarray, camera: np.ndarray) -> bool:
        """Whether trees or poles touch the rectangle x1, y1, x2, y2: a cheap first question."""
        x1, _, x2, y2 = bounds + np.tile(camera + self.margin, 2)
        if self._trees is not None and y2 > self._trees[max(int(x1), 0) : max(int(x2), 0) + 1].min(initial=self.side):
            return True
        return any(x2 > left and x1 < right and y2 > top for left, right, top in self._poles)

    def behind(self, frame: int, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The sky, a new uint8 (size, size, 3) BGR, and the cloud before the objects, float32 (size, size) or None."""
        sky, veil = self._sky
        window = self._window(camera + self._drift[frame])
        return sky[window].copy(), None if veil is None else veil[window]

    def add_front(self, picture: np.ndarray, camera: np.ndarray) -> np.ndarray:
        """The picture with trees, poles and wires before it."""
        if self._trees is None and not self._poles and not self._wires:
            return picture
        color, clear = self._front
        window = self._window(camera)
        return cv2.add(cv2.multiply(picture, clear[window], scale=1 / 255), color[window])

    def _window(self, corner: np.ndarray) -> tuple[slice, slice]:
        left, top = np.clip(corner + self.margin, 0, 2 * self.margin)
        return slice(top, top + self.size), slice(left, left + self.size)

    def _tree_line(self, rng: np.random.Generator) -> np.ndarray:
        """The y of the tree tops for every column of the canvas."""
        height = rng.uniform(0.03, 0.12) + sum(
            cv2.resize(rng.uniform(-1, 1, (1, n)), (self.side, 1), interpolation=cv2.INTER_CUBIC)[0] * 0.12 / n**0.7
            for n in (4, 12, 36)
        )
        return self.margin + self.size * (1 - np.clip(height, 0.0, 0.22))

    def _pole_edges(self, rng: np.random.Generator) -> list[tuple[float, float, float]]:
        """Left, right and top of one or two poles, on the canvas."""
        poles = []
        for _ in range(rng.integers(1, 3)):
            left = self.margin + rng.uniform(0.1, 0.85) * self.size
            width = np.exp(rng.uniform(np.log(0.025), np.log(0.13))) * self.size
            top = 0.0 if rng.random() < 0.6 else self.margin + rng.uniform(0.05, 0.4) * self.size
            poles.append((left, left + width, top))
        return poles

    @cached_property
    def _sky(self) -> tuple[np.ndarray, np.ndarray | None]:
        rng = np.random.default_rng([self._seed, 0])
        side = self.side
        down = np.linspace(0, 1, side)[:, None, None]
        clear = (self._palette[0] * (1 - down) + self._palette[1] * down).astype(np.float32)
        coarse = np.zeros((64, 64), np.float32)
        for octave, n in enumerate((3, 6, 12, 24, 48)):
            # Clouds are wider than they are high.
            noise = rng.random((n, max(n // 2, 2)), np.float32)
            coarse += cv2.resize(noise, (64, 64), interpolation=cv2.INTER_CUBIC) * 0.55**octave
        low, high = coarse.min(), coarse.max()
        density = cv2.resize((coarse - low) / (high - low), (side, side), interpolation=cv2.INTER_CUBIC)
        cloud = np.clip((density - self._cover) / 0.3, 0, 1)[..., None] * self._cloud_strength
        white = np.float32(min(250, 1.2 * self.tone.mean() + 25)) * (0.8 + 0.2 * density[..., None])
        sky = clear + cloud * (0.75 * white + 0.25 * clear - clear)
        veil = None
        if self._veil_strength:
            threshold = np.quantile(coarse, 0.75)
            wisps = np.clip((density - (threshold - low) / (high - low)) / 0.12, 0, 1)
            veil = (wisps * self._veil_strength).astype(np.float32)
            sky += veil[..., None] * 0.5 * (white - sky)
        return np.clip(sky, 0, 255).astype(np.uint8), veil

    @cached_property
    def _front(self) -> tuple[np.ndarray, np.ndarray]:
        """Color times cover, and 255 less the cover: uint8 (side, side, 3) each."""
        rng = np.random.default_rng([self._seed, 1])
        side = self.side
        cover = np.zeros((side, side), np.uint8)
        color = np.zeros((side, side, 3), np.uint8)
        darkness = self.tone.mean() / 170
        for _ in range(self._wires):
            start, end = rng.uniform(0.1, 0.7, 2) * side
            across = np.linspace(0, 1, 24)
            sag = rng.uniform(0.02, 0.1) * side
            curve = np.stack([across * side, start + (end - start) * across + sag * 4 * across * (1 - across)], -1)
            width = max(1, round(self.size / 160))
            cv2.polylines(cover, [np.round(curve * 16).astype(np.int32)], False, 190, width, cv2.LINE_AA, 4)
        color[:] = np.array([38, 36, 34]) * darkness
        for left, right, top in self._poles:
            box = slice(round(top), None), slice(round(left), round(right))
            shade = np.linspace(0.7, 1.3, max(round(right) - round(left), 1))[:, None] * rng.uniform(30, 90) * darkness
            color[box] = np.clip(shade, 0, 255)
            cover[box] = 255
        if self._trees is not None:
            rows = np.arange(side)[:, None] + 0.5
            inside = np.clip((rows - self._trees) * 160 / self.size + 0.5, 0, 1)
            leaves = rng.random((side // 3, side // 3), np.float32)
            leaves = cv2.resize(leaves, (side, side), interpolation=cv2.INTER_CUBIC)
            green = np.array(rng.uniform((12, 28, 18), (30, 55, 38))) * darkness
            color = np.where(inside[..., None] > 0, np.clip(green * (0.5 + leaves[..., None]), 0, 255), color)
            cover = np.maximum(cover, (inside * 255).astype(np.uint8))
        cover = cover[..., None].repeat(3, -1)
        return (color * (cover / 255.0)).astype(np.uint8), 255 - cover


class Camera:
    """Pan, shake and the degradations of one video, all fixed when it is made.

    Attributes:
        places: int (frames, 2), x and y in pixels, at most about 0.06 of the frame's side from 0.
        shutter: share of a frame's time during which the shutter is open.
    """

    def __init__(self, rng: np.random.Generator, size: int, frames: int):
        self.size = size
        shake = np.clip(jerks(rng, frames, rng.choice([0.001, 0.004])), -0.015, 0.015)
        pan = sway(rng, frames, rng.uniform(0, 0.04), (60, 160))
        self.places = np.round((pan + shake) * size).astype(int)
        self.shutter = rng.uniform(0.2, 0.9)
        self._gains = 1 + rng.uniform(0, 0.06) * np.sin(np.arange(frames) / rng.uniform(5, 20))
        if rng.random() < 0.25:
            for burst in _bursts(rng, frames, 1, 3):
                self._gains[burst] *= rng.choice([rng.uniform(0.35, 0.55), rng.uniform(1.5, 1.9)])
        self._blurs = np.zeros((frames, 2))
        if rng.random() < 0.4:
            for burst in _bursts(rng, frames, 2, 5):
                # Equal sigmas are a lost focus, unequal ones a knock on the camera.
                sigma = rng.uniform(0.012, 0.028) * size
                self._blurs[burst] = sigma if rng.random() < 0.6 else rng.permutation([1.4 * sigma, 0.01])
        self._noise_level = rng.uniform(0.5, 5)
        self._noise_places = rng.integers(0, _TILE_MARGIN + 1, (frames, 2))
        self._quality = int(rng.integers(25, 75)) if rng.random() < 0.5 else None

    def develop(self, picture: np.ndarray, frame: int) -> np.ndarray:
        """The uint8 BGR picture of one frame, blurred, exposed, noisy and compressed as this video has it."""
        blur = self._blurs[frame]
        if blur.any():
            picture = cv2.GaussianBlur(picture, (0, 0), sigmaX=blur[0], sigmaY=blur[1])
        left, top = self._noise_places[frame]
        window = slice(top, top + self.size), slice(left, left + self.size)
        brighter, darker = self._noise
        picture = cv2.convertScaleAbs(picture, alpha=self._gains[frame])
        picture = cv2.subtract(cv2.add(picture, brighter[window]), darker[window])
        if self._quality is not None:
            _, code = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, self._quality))
            picture = cv2.imdecode(code, cv2.IMREAD_COLOR)
        return picture

    @cached_property
    def _noise(self) -> tuple[np.ndarray, np.ndarray]:
        """What to add and what to subtract: uint8, as saturating bytes are several times faster than signed numbers."""
        noise = cv2.multiply(_noise_tile(self.size + _TILE_MARGIN), (self._noise_level,) * 4)
        return cv2.max(noise, 0).astype(np.uint8), cv2.max(-noise, 0).astype(np.uint8)


@lru_cache(maxsize=4)
def _noise_tile(side: int) -> np.ndarray:
    """Unit sensor noise, float32 (side, side, 3), shared by all videos, which take it at random offsets."""
    rng = np.random.default_rng(side)
    gray = rng.standard_normal((side, side, 1), np.float32)
    return 0.8 * gray + 0.6 * rng.standard_normal((side, side, 3), np.float32)


def _bursts(rng: np.random.Generator, frames: int, shortest: int, longest: int) -> list[slice]:
    """Short stretches of the video, about one for every thirty frames."""
    starts = rng.integers(0, frames, max(1, frames // 30))
    return [slice(start, start + rng.integers(shortest, longest + 1)) for start in starts]
