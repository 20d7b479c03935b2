"""What a measurement gives: one row of the table in docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `bound` is None where the figure stands for information alone."""

    section: str
    what: str
    value: float
    unit: str = ""
    bound: float | None = None
    is_at_most: bool = False
    detail: str = ""

    @property
    def is_met(self) -> bool:
        if self.bound is None:
            return True
        return self.value <= self.bound if self.is_at_most else self.value >= self.bound

    @property
    def bound_text(self) -> str:
        if self.bound is None:
            return ""
        return f"{'≤' if self.is_at_most else '≥'} {self.bound:g} {self.unit}".rstrip()

    @property
    def value_text(self) -> str:
        digits = 2 if abs(self.value) < 10 else 1 if abs(self.value) < 100 else 0
        return f"{self.value:,.{digits}f} {self.unit}".rstrip()


def spread(shares: Sequence[float]) -> str:
    """How far the turns of one measurement lie apart."""
    return f"from {min(shares):.2f} to {max(shares):.2f} in {len(shares)} turns"
