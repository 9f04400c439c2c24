"""How the four objects move: paths float64 (frames, 2), the centre in frame sides, x right and y down."""

from __future__ import annotations

import numpy as np


def cruise(frames: int, when: float, where: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Straight and steady: at `where` at frame `when`, `velocity` in frame sides a frame."""
    return where + (np.arange(frames)[:, None] - when) * velocity


def linger(frames: int, when: float, where: np.ndarray, hold: float, rng: np.random.Generator) -> np.ndarray:
    """Comes in, hangs about `where` from frame `when - hold` to `when + hold`, and leaves."""
    late = np.arange(frames) - when
    beyond = np.maximum(np.abs(late) - hold, 0)
    angles = rng.uniform(0, 2 * np.pi, 2)
    legs = np.stack([np.cos(angles), np.sin(angles) * 0.5], -1)
    # Speeds up over about ten frames to its travelling speed.
    out = 0.017 * beyond**2 / (beyond + 10)
    drift = rng.uniform(-0.0015, 0.0015, 2)
    leg = np.where(late[:, None] < 0, legs[0], legs[1])
    return where + np.clip(late, -hold, hold)[:, None] * drift + out[:, None] * leg


def jerks(rng: np.random.Generator, frames: int, step: float) -> np.ndarray:
    """Small sudden moves: every few frames a new place about `step` away is aimed at and reached in two or three."""
    places = rng.normal(0, step, (frames, 2))
    changes = rng.random(frames) < 0.22
    held = np.maximum.accumulate(np.where(changes, np.arange(frames), 0))
    target = places[held]
    path = np.empty((frames, 2))
    position = target[0]
    for frame in range(frames):
        position = position + 0.5 * (target[frame] - position)
        path[frame] = position
    return path + rng.normal(0, step * 0.12, (frames, 2))


def sway(rng: np.random.Generator, frames: int, size: float, period: tuple[float, float]) -> np.ndarray:
    """A slow bounded wander, for floating, for undulating and for the camera: at most `size` each way."""
    phases = 2 * np.pi * (np.arange(frames)[:, None] / rng.uniform(*period, 2) + rng.random(2))
    return size * np.sin(phases)


def rotations(yaw: np.ndarray, roll: np.ndarray, elevation: float) -> np.ndarray:
    """Body axes to screen, float64 (frames, 2, 3), for a camera that looks up at `elevation` radians.

    Yaw 0 flies to the right, pi/2 away from the camera; positive roll lifts the left wing.
    """
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    bank = np.array([[one, zero, zero], [zero, np.cos(roll), -np.sin(roll)], [zero, np.sin(roll), np.cos(roll)]])
    turn = np.array([[np.cos(yaw), -np.sin(yaw), zero], [np.sin(yaw), np.cos(yaw), zero], [zero, zero, one]])
    view = np.array([[1, 0, 0], [0, np.sin(elevation), -np.cos(elevation)]])
    return np.einsum("ij,jkt,klt->til", view, turn, bank)
