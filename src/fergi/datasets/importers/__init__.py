"""Action units that other tools estimated → the series that fergi works on.

Only these modules know the columns, units and oddities of other tools' files.
"""

from fergi.datasets.importers.imported import ImportedSeries, Tool, imported_series

__all__ = ["ImportedSeries", "Tool", "imported_series"]
