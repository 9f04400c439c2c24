"""The entropy attention's part of a configuration."""

from __future__ import annotations

from dataclasses import dataclass

from edge.entropy import BORDERS
from keras_sge.config.checks import one_of
from keras_sge.config.places import check_place

# Form -> what the network multiplies the attention, a sigmoid's value, with.
FORMS = {"literal": 1, "mean_keeping": 2}


@dataclass(frozen=True)
class EntropyConfig:
    """The entropy attention (eq. 2-4).

    Attributes:
        window: side of the sliding windows. border: see `edge.entropy_map`. opening: side of the opening, 1 for none.
        place: the map that it multiplies, see `keras_sge.config.places`; in front of a memory there.
        form: `literal`, sigmoid(m) f as eq. 4 says, which shrinks every feature to .5 to .96 of itself; or
            `mean_keeping`, 2 sigmoid(m) f, which leaves flat parts of the picture as they are and lifts the others, up
            to 1.92. The attention that enters the network is the sigmoid in both; the factor is the network's.
    """

    window: int = 3
    border: str = "reflect_101"
    opening: int = 3
    place: str = "conv13"
    form: str = "literal"

    @property
    def gain(self) -> int:
        """What the attention is multiplied with in the network."""
        return FORMS[self.form]

    def __post_init__(self):
        one_of("network.entropy.window", self.window, (3, 5, 7, 9))
        one_of("network.entropy.border", self.border, tuple(BORDERS))
        one_of("network.entropy.opening", self.opening, (1, 3, 5, 7, 9))
        check_place("network.entropy.place", self.place)
        one_of("network.entropy.form", self.form, tuple(FORMS))
