"""Below which p-value an association of a unit counts, as published."""

from fergi.records.action_units import UNIT_NAMES
from fergi.records.study import REACTIONS

COMPARISONS = len(UNIT_NAMES) * (2 + len(REACTIONS))
"""Tests that share one level of significance: 12 units by 2 correlations and 6 reactions."""
SIGNIFICANCE = 0.05 / COMPARISONS
"""After Bonferroni."""
