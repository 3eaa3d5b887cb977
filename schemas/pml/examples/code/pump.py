"""Pumps that keep the inner basin low while the gate is closed."""

from dataclasses import dataclass, field


@dataclass
class Pump:
    name: str
    litres_per_s: float
    failed: bool = False


@dataclass
class Basin:
    area_m2: float
    level_m: float
    pumps: list[Pump] = field(default_factory=list)

    def outflow_m3_per_s(self) -> float:
        return sum(p.litres_per_s for p in self.pumps if not p.failed) / 1000

    def after(self, seconds: float, inflow_m3_per_s: float) -> "Basin":
        """The basin some time later; rain and leakage flow in, pumps take out, none of it below the floor."""
        change = (inflow_m3_per_s - self.outflow_m3_per_s()) * seconds / self.area_m2
        return Basin(self.area_m2, max(0.0, self.level_m + change), self.pumps)
