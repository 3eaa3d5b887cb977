"""Predicted water levels at the gauge of the outer harbour."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Constituent:
    """One harmonic of the tide: height in metres, period in hours, phase in radians."""

    height_m: float
    period_h: float
    phase_rad: float


# Lunar and solar halves of a day, and the lunar day: what matters behind the breakwater.
CONSTITUENTS = (
    Constituent(1.42, 12.4206, 0.31),
    Constituent(0.47, 12.0, 1.02),
    Constituent(0.12, 25.8193, 2.2),
)
MEAN_LEVEL_M = 2.05


def level_m(hours: float) -> float:
    """Water level above the sill, `hours` after the epoch of the tables."""
    return MEAN_LEVEL_M + sum(
        c.height_m * math.cos(2 * math.pi * hours / c.period_h - c.phase_rad) for c in CONSTITUENTS
    )


def next_time_above(limit_m: float, start_h: float, step_h: float = 0.1) -> float | None:
    """First time from `start_h` on at which the level exceeds `limit_m`, within two days."""
    for step in range(int(48 / step_h)):
        hours = start_h + step * step_h
        if level_m(hours) > limit_m:
            return hours
    return None
