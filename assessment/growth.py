"""Whether somebody has grown between two tests: only a change larger than its own error counts. Pure.

Source   Jacobson & Truax (1991), reliable change index
"""

import math
from typing import Final

RELIABLE: Final = 1.96
"""Index from which a change is more than the error of both measurements would give in 5 of 100 people who did not change."""


def reliable_change(theta_before: float, se_before: float, theta_after: float, se_after: float) -> float:
    """The change by its standard error; thetas and their standard errors in logits, errors above 0."""
    return (theta_after - theta_before) / math.hypot(se_before, se_after)


def has_grown(theta_before: float, se_before: float, theta_after: float, se_after: float) -> bool:
    """Whether the later estimate is reliably higher."""
    return reliable_change(theta_before, se_before, theta_after, se_after) >= RELIABLE
