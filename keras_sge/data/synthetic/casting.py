"""Who flies through a video: how many objects, of which class, how large, where and when."""

from __future__ import annotations

import numpy as np

from keras_sge.data.synthetic.actors import airplane, bird, drone, helicopter
from keras_sge.data.synthetic.track import Track, cruise, jerks, linger, rotations, sway

CLASSES = ("airplane", "bird", "drone", "helicopter")
_ACTORS = (airplane, bird, drone, helicopter)
_OBJECTS = (0, 1, 2, 3)
_SHARES = (0.04, 0.74, 0.15, 0.07)
_SMALLEST, _LARGEST = 0.24, 0.7


def cast(rng: np.random.Generator, frames: int, size: int, shutter: float, sky: np.ndarray) -> list[Track]:
    """The tracks of one video, the farthest first, for a camera that stands still.

    Args:
        rng: the video's random generator.
        frames: length of the video.
        size: side of the frame in pixels.
        shutter: share of a frame's time during which the shutter is open.
        sky: BGR (3,) of the sky, against which the objects must be seen.
    """
    tracks: list[tuple[float, Track]] = []
    company = int(rng.integers(len(CLASSES)))
    places = _places(rng, int(rng.choice(_OBJECTS, p=_SHARES)))
    for place in places:
        when = rng.uniform(0.2, 0.8) * min(frames, 60)
        last = -1
        while when < frames + 20:
            # Birds of a feather: half of the further objects are of the first one's class.
            class_index = company if not tracks or rng.random() < 0.5 else int(rng.integers(len(CLASSES)))
            extent = float(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
            if len(places) > 1:
                extent = min(extent, 0.45)
            track = _track(rng, class_index, frames, size, extent, when, place, shutter, sky)
            present = np.flatnonzero(track.touches(size))
            # Once it has left, another one follows after a short while.
            if present.min(initial=frames) > last:
                tracks.append((extent, track))
                last = present.max(initial=last)
            when = max(last, when) + rng.uniform(6, 18)
            place = rng.uniform(0.25, 0.7, 2)
    return [track for _, track in sorted(tracks, key=lambda pair: pair[0])]


def _places(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Where each object is at its middle moment, some way apart, in frame sides."""
    places: list[np.ndarray] = []
    while len(places) < count:
        place = rng.uniform((0.2, 0.18), (0.8, 0.72))
        if all(np.hypot(*(place - other)) > 0.32 for other in places):
            places.append(place)
    return places


def _track(
    rng: np.random.Generator,
    class_index: int,
    frames: int,
    size: int,
    extent: float,
    when: float,
    where: np.ndarray,
    shutter: float,
    sky: np.ndarray,
) -> Track:
    far = float(np.clip(np.log(0.6 / extent) / np.log(0.6 / 0.2), 0, 1))
    actor = _ACTORS[class_index](rng, frames, far)
    # Far objects show their front or their back: the view in which the four outlines are alike.
    yaw = rng.choice([-1, 1]) * np.pi / 2 + np.radians(28 + 62 * (1 - far)) * rng.uniform(-1, 1)
    elevation = np.radians(rng.uniform(5 + 13 * (1 - far), 16 + 30 * (1 - far)))
    path, roll, turn = _flight(rng, CLASSES[class_index], frames, yaw, elevation, when, where)
    # Points last, where their minimum is found fastest.
    outline = rotations(yaw + turn, roll, elevation) @ actor.points.transpose(0, 2, 1)
    low, high = outline.min(-1), outline.max(-1)
    scale = extent / np.median(np.sqrt((high - low).prod(-1)))
    scale = min(scale, 0.9 / np.median((high - low).max(-1)))
    # The middle of the outline, not the body's origin, follows the path.
    offset = path - scale * np.median((low + high) / 2, 0)
    points = (outline * scale + offset[..., None]) * size
    bounds = np.concatenate([low * scale + offset, high * scale + offset], -1) * size
    return Track(
        class_index=class_index,
        points=np.ascontiguousarray(points.transpose(0, 2, 1), np.float32),
        bounds=bounds.astype(np.float32),
        parts=tuple(part.points for part in actor.parts),
        # Haze makes far objects fainter.
        paints=actor.paints(_color(rng, sky)) * (rng.uniform(0.85, 0.97) - 0.12 * far),
        softness=extent * size * (0.008 + 0.045 * far),
        smear=(_slope(path) * size * shutter).astype(np.float32),
    )


def _flight(
    rng: np.random.Generator, name: str, frames: int, yaw: float, elevation: float, when: float, where: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Path (frames, 2) in frame sides, roll and added yaw (frames,) in radians."""
    time = np.arange(frames)
    climb = rng.uniform(-0.15, 0.35)
    ahead = np.array([np.cos(yaw), np.sin(yaw) * np.sin(elevation) - climb * np.cos(elevation)])
    ahead /= np.hypot(*ahead)
    still = np.zeros(frames)
    if name == "airplane":
        path = cruise(frames, when, where, ahead * rng.uniform(0.018, 0.036))
        return path, still + rng.uniform(-0.12, 0.12), still
    if name == "bird":
        path = cruise(frames, when, where, ahead * rng.uniform(0.006, 0.016))
        path += sway(rng, frames, rng.uniform(0.01, 0.03), (16, 30)) * (0.4, 1)
        return path, 0.12 * np.sin(time / 9 + rng.uniform(0, 6)), 0.2 * np.sin(time / 14 + rng.uniform(0, 6))
    if name == "drone":
        path = linger(frames, when, where, rng.uniform(8, 50), rng)
        moves = jerks(rng, frames, rng.uniform(0.006, 0.016))
        # It leans into every move.
        lean = np.clip(_slope(moves[:, 0]) * 18, -0.3, 0.3)
        return path + moves, lean, np.cumsum(rng.normal(0, 0.02, frames))
    if rng.random() < 0.5:
        path = cruise(frames, when, where, ahead * rng.uniform(0.004, 0.011))
    else:
        path = linger(frames, when, where, rng.uniform(8, 50), rng)
    path += sway(rng, frames, rng.uniform(0.003, 0.01), (25, 50))
    return path, 0.08 * np.sin(time / 12 + rng.uniform(0, 6)), 0.15 * np.sin(time / 20 + rng.uniform(0, 6))


def _slope(values: np.ndarray) -> np.ndarray:
    """The change from frame to frame, of the values' shape; of a single frame none."""
    return np.gradient(values, axis=0) if len(values) > 1 else np.zeros_like(values)


def _color(rng: np.random.Generator, sky: np.ndarray) -> np.ndarray:
    """BGR (3,): mostly a dark outline against the sky, at times a light one against a dark enough sky."""
    brightness = float(np.mean(sky))
    if brightness < 145 and rng.random() < 0.2:
        return np.clip(rng.uniform(215, 245) + rng.normal(0, 6, 3), 0, 255)
    return np.clip(rng.uniform(0.12, 0.42) * brightness + rng.normal(0, 6, 3), 0, 255)
