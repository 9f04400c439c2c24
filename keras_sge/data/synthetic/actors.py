"""The moving shape of one flying object, in its own body axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from keras_sge.data.synthetic.painter import disc, ellipsoid, mirror, slab


@dataclass(frozen=True)
class Part:
    """One convex solid of an actor.

    Attributes:
        points: where its points lie in `Actor.points`.
        shade: brightness as a multiple of the actor's color.
        opacity: float (frames,), 0 to 1; a whirling rotor is translucent and flickers.
    """

    points: slice
    shade: float
    opacity: np.ndarray


class Actor:
    """The solids of one flying object at every frame; a wing span or rotor diameter is about 1.

    Attributes:
        points: float64 (frames, n, 3), body axes.
        parts: the solids in painting order.
    """

    def __init__(self, frames: int):
        self.frames = frames
        self.parts: list[Part] = []
        self._clouds: list[np.ndarray] = []

    def add(self, points: np.ndarray, shade: float = 1.0, opacity: float | np.ndarray = 1.0) -> None:
        """Adds a solid: points (n, 3) when it is rigid, (frames, n, 3) when it moves."""
        start = self.parts[-1].points.stop if self.parts else 0
        self._clouds.append(np.broadcast_to(points, (self.frames, *points.shape[-2:])))
        opacity = np.broadcast_to(np.asarray(opacity, np.float64), (self.frames,))
        self.parts.append(Part(slice(start, start + points.shape[-2]), shade, opacity))

    def paints(self, color: np.ndarray) -> np.ndarray:
        """BGR times alpha and alpha, 0 to 255, of every part for a BGR `color`: float64 (frames, parts, 4)."""
        shades = np.array([part.shade for part in self.parts])
        solid = np.pad(np.clip(shades[:, None] * color, 0, 255), ((0, 0), (0, 1)), constant_values=255)
        return solid * np.stack([part.opacity for part in self.parts], -1)[..., None]

    @property
    def points(self) -> np.ndarray:
        return np.concatenate(self._clouds, 1)


def airplane(rng: np.random.Generator, frames: int, far: float) -> Actor:
    """Rigid: fuselage, fixed wings, tail; an airliner (swept, engines) or a light aircraft (straight, high wing)."""
    airliner = rng.random() < 0.6
    sweep = rng.uniform(0.16, 0.28) if airliner else rng.uniform(0.0, 0.04)
    chord, length = (0.2, rng.uniform(0.46, 0.56)) if airliner else (0.15, rng.uniform(0.34, 0.4))
    girth = rng.uniform(0.055, 0.07) * (1 + 0.5 * far)
    height = (-0.02 if airliner else 0.06) + far * rng.uniform(0.0, 0.06)
    dihedral = rng.uniform(0.0, 0.09)
    actor = Actor(frames)
    wing = slab(
        [
            (0.1, 0, height),
            (0.1 - chord, 0, height),
            (0.1 - sweep, 0.5, height + dihedral),
            (0.04 - sweep, 0.5, height + dihedral),
        ],
        0.03 + 0.015 * far,
    )
    tail_x = 0.14 - length
    tail = slab(
        [(tail_x, 0, 0.03), (tail_x - 0.1, 0, 0.03), (tail_x - 0.13, 0.18, 0.04), (tail_x - 0.07, 0.18, 0.04)], 0.02
    )
    fin_top = 0.2 - 0.06 * far
    fin = slab(
        [(tail_x + 0.02, 0, 0), (tail_x - 0.1, 0, 0), (tail_x - 0.14, 0, fin_top), (tail_x - 0.07, 0, fin_top)],
        0.02,
        axis=1,
    )
    actor.add(wing, 0.85)
    actor.add(mirror(wing), 0.85)
    actor.add(tail, 0.85)
    actor.add(mirror(tail), 0.85)
    actor.add(ellipsoid((0, 0, 0), (length, girth, girth * 1.1)), 1.1)
    actor.add(fin, 0.95)
    if airliner and far < 0.6:
        engine = ellipsoid((0.06 - sweep / 3, 0.17, height - 0.045), (0.07, 0.032, 0.032))
        actor.add(engine, 0.7)
        actor.add(mirror(engine), 0.7)
    return actor


def bird(rng: np.random.Generator, frames: int, far: float) -> Actor:
    """Beats its wings every 5 to 10 frames, in bouts parted by glides; the outer wing lags behind the inner one."""
    time = np.arange(frames)
    beat = 2 * np.pi * time / rng.uniform(5, 10) + rng.uniform(0, 2 * np.pi)
    bout = rng.uniform(22, 40)
    glide_share = rng.choice([0.0, 0.25, 0.4])
    cycle = (time / bout + rng.random()) % 1
    # A glide fades in and out over two or three frames, as a bird does.
    effort = np.clip(np.minimum(cycle - glide_share, 1 - cycle) * bout / 2.5, 0, 1) if glide_share else np.ones(frames)
    amplitude, lag = rng.uniform(0.65, 0.95), rng.uniform(0.7, 1.1)
    inner = effort * amplitude * np.sin(beat) + (1 - effort) * rng.uniform(0.0, 0.15)
    outer = effort * 1.25 * amplitude * np.sin(beat - lag) - (1 - effort) * rng.uniform(0.0, 0.15)
    reach = rng.uniform(0.2, 0.25), rng.uniform(0.26, 0.32)
    chord = rng.uniform(0.13, 0.19)
    girth = rng.uniform(0.055, 0.07) * (1 + 0.3 * far)

    elbow_y, elbow_z = 0.03 + reach[0] * np.cos(inner), 0.02 + reach[0] * np.sin(inner)
    tip_y, tip_z = elbow_y + reach[1] * np.cos(outer), elbow_z + reach[1] * np.sin(outer)
    tip_x = -0.06 - 0.08 * np.cos(outer)
    thickness = 0.03 + 0.01 * far

    def plate(corners: list[tuple[float, float | np.ndarray, float | np.ndarray]]) -> np.ndarray:
        columns = [np.stack(np.broadcast_arrays(np.zeros(frames), *corner)[1:], -1) for corner in corners]
        middle = np.stack(columns, 1)
        half = np.array([0, 0, thickness / 2])
        return np.concatenate([middle - half, middle + half], 1)

    arm = plate([(0.1, 0.02, 0.02), (0.1 - chord, 0.02, 0.02), (0.12, elbow_y, elbow_z), (-0.06, elbow_y, elbow_z)])
    hand = plate([(0.12, elbow_y, elbow_z), (-0.06, elbow_y, elbow_z), (tip_x, tip_y, tip_z)])
    actor = Actor(frames)
    for wing in (arm, hand):
        actor.add(wing, 0.9)
        actor.add(mirror(wing), 0.9)
    actor.add(slab([(-0.12, 0.03, 0), (-0.12, -0.03, 0), (-0.34, 0.08, 0), (-0.34, -0.08, 0)], 0.02), 0.85)
    actor.add(ellipsoid((0, 0, 0), (0.2, girth, girth * 1.1)), 1.05)
    actor.add(ellipsoid((0.21, 0, 0.02), (0.07, 0.04, 0.04)), 1.0)
    return actor


def drone(rng: np.random.Generator, frames: int, far: float) -> Actor:
    """A quadcopter: a small body, four arms, four rotor discs that flicker each for itself."""
    arm, radius = rng.uniform(0.24, 0.3), rng.uniform(0.16, 0.2) * (1 + 0.2 * far)
    body = rng.uniform(0.12, 0.15), rng.uniform(0.08, 0.11), rng.uniform(0.055, 0.08)
    lift = rng.uniform(0.03, 0.06) * (1 - 0.5 * far)
    thickness = 0.03 + 0.02 * far
    actor = Actor(frames)
    corners = [(sx * arm, sy * arm) for sx in (1, -1) for sy in (1, -1)]
    for x, y in corners:
        flicker = rng.uniform(0.12, 0.5, frames) + 0.4 * far
        actor.add(disc((x, y, lift + 0.02), radius, thickness * 0.7), 0.9, flicker)
    for x, y in corners:
        actor.add(slab([(0.04, 0, 0), (-0.04, 0, 0), (x + 0.03, y, lift), (x - 0.03, y, lift)], thickness), 0.85)
        motor = [(x + 0.025, y, lift), (x - 0.025, y, lift), (x, y + 0.025, lift), (x, y - 0.025, lift)]
        actor.add(slab(motor, 0.08 - 0.04 * far), 0.7)
    if far < 0.6:
        for side in (0.1, -0.1):
            leg = [(0.05, side * 0.7, 0), (-0.05, side * 0.7, 0), (0.07, side, -0.15), (-0.07, side, -0.15)]
            actor.add(slab(leg, 0.025, axis=1), 0.8)
        actor.add(ellipsoid((0.08, 0, -0.08), (0.045, 0.045, 0.045)), 0.6)
    actor.add(ellipsoid((0, 0, 0), (body[0], body[1], body[2] * (1 + 0.4 * far))), 1.1)
    return actor


def helicopter(rng: np.random.Generator, frames: int, far: float) -> Actor:
    """A cabin under a flickering rotor disc with one visible blade pair turning in it, a tail boom and a tail rotor."""
    time = np.arange(frames)
    # The camera samples a fast rotor: what is left is a slow beat of a few frames.
    turn = np.pi * time / rng.uniform(2.5, 5.0) + rng.uniform(0, np.pi)
    swing = (0.13 + 0.09 * far) * np.cos(2 * turn)
    flicker = 0.28 + 0.32 * far + swing + rng.uniform(-0.06, 0.06, frames)
    radius, height = rng.uniform(0.46, 0.54), rng.uniform(0.15, 0.19) * (1 - 0.4 * far)
    boom = rng.uniform(0.52, 0.64)
    cabin = rng.uniform(0.19, 0.24), rng.uniform(0.09, 0.11), rng.uniform(0.1, 0.12)
    thickness = 0.02 + 0.02 * far
    actor = Actor(frames)
    actor.add(disc((0, 0, height), radius, thickness), 0.9, flicker)
    actor.add(disc((-boom, 0.03, 0.07), 0.09, 0.02, axis=1), 0.9, 0.25 + 0.35 * rng.random(frames))
    along = np.stack([np.cos(turn), np.sin(turn), np.zeros(frames)], -1)[:, None] * radius
    across = np.stack([-np.sin(turn), np.cos(turn), np.zeros(frames)], -1)[:, None] * 0.025
    blade = np.concatenate([along + across, along - across, -along + across, -along - across], 1)
    actor.add(blade + np.array([0, 0, height]), 0.8, 0.85)
    actor.add(slab([(0.03, 0, 0), (-0.05, 0, 0), (0.02, 0, height), (-0.02, 0, height)], 0.04, axis=1), 0.8)
    tail = np.concatenate(
        [
            slab([(-0.1, 0.035, 0.0), (-0.1, -0.035, 0.0), (-0.1, 0.035, 0.07), (-0.1, -0.035, 0.07)], 0.01),
            slab([(-boom, 0.012, 0.03), (-boom, -0.012, 0.03), (-boom, 0.012, 0.06), (-boom, -0.012, 0.06)], 0.01),
        ]
    )
    actor.add(tail, 0.9)
    fin = [(-boom + 0.05, 0, 0.03), (-boom - 0.02, 0, 0.0), (-boom - 0.02, 0, 0.15), (-boom - 0.07, 0, 0.15)]
    actor.add(slab(fin, 0.02, axis=1), 0.9)
    if far < 0.6:
        for side in (0.1, -0.1):
            skid = [(0.18, side, -0.17), (0.16, side, -0.19), (-0.16, side, -0.17), (-0.16, side, -0.19)]
            actor.add(slab(skid, 0.02, axis=1), 0.7)
            for x in (0.08, -0.08):
                strut = [(x + 0.01, side * 0.6, -0.08), (x - 0.01, side * 0.6, -0.08)]
                actor.add(slab([*strut, (x + 0.01, side, -0.18), (x - 0.01, side, -0.18)], 0.015, 1), 0.7)
    actor.add(ellipsoid((0.02, 0, 0), cabin), 1.1)
    return actor
