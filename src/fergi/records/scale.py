"""What the numbers of an estimator of action units mean."""

from enum import StrEnum


class Scale(StrEnum):
    """What an estimator's numbers mean."""

    INTENSITY = "intensity_0_5"
    """FACS intensities, learned from what FACS coders said."""
    PROBABILITY = "probability"
    """How likely the unit is present, 0 to 1."""
    PROXY = "proxy"
    """Follows the unit, on 0 to 5, but was never validated against FACS coders."""
