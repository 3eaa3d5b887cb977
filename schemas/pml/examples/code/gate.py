"""The storm gate: when it may open and when it has to close."""

from dataclasses import dataclass
from enum import Enum

from tide import level_m


class Gate(Enum):
    OPEN = "open"
    CLOSED = "closed"
    STUCK = "stuck"


@dataclass
class Limits:
    """Levels above the sill, in metres; closing is higher than opening, so that the gate does not chatter."""

    close_m: float = 3.4
    open_m: float = 3.1


def decide(gate: Gate, hours: float, surge_m: float, limits: Limits) -> Gate:
    """What the gate should do now: the predicted tide and the measured surge add up."""
    if gate is Gate.STUCK:
        return gate
    level = level_m(hours) + surge_m
    if gate is Gate.OPEN and level > limits.close_m:
        return Gate.CLOSED
    if gate is Gate.CLOSED and level < limits.open_m and surge_m < 1:
        return Gate.OPEN
    return gate
