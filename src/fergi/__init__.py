"""Turn the faces people make at generated images into preference labels.

The main job:

```python
import fergi

annotations = fergi.annotate("my-study")
fergi.write_table(annotations, "annotations.parquet")
```

Names are loaded when they are first used, so importing fergi costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fergi.activations import activation_table
    from fergi.datasets.fergi_study import read_study
    from fergi.datasets.synthetic import write_synthetic_study
    from fergi.errors import FergiError
    from fergi.exports import check, export
    from fergi.extraction.run import extract
    from fergi.files import read_table, write_table
    from fergi.pipeline import annotate, annotate_study, write_annotations
    from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries
    from fergi.records.study import Study
    from fergi.settings import AnnotationSettings
    from fergi.stages.activation import activation_values
    from fergi.stages.valence import FauNet, Valence, au4_au12_valence, au4_valence, fau_net_valence

__version__ = "0.1.0"

__all__ = [
    "ACTION_UNITS",
    "ActionUnitSeries",
    "AnnotationSettings",
    "FauNet",
    "FergiError",
    "Study",
    "Valence",
    "activation_table",
    "activation_values",
    "annotate",
    "annotate_study",
    "au4_au12_valence",
    "au4_valence",
    "check",
    "export",
    "extract",
    "fau_net_valence",
    "read_study",
    "read_table",
    "write_annotations",
    "write_synthetic_study",
    "write_table",
]

_HOMES = {
    "ACTION_UNITS": "records.action_units",
    "ActionUnitSeries": "records.action_units",
    "AnnotationSettings": "settings",
    "FauNet": "stages.valence",
    "FergiError": "errors",
    "Study": "records.study",
    "Valence": "stages.valence",
    "activation_table": "activations",
    "activation_values": "stages.activation",
    "annotate": "pipeline",
    "annotate_study": "pipeline",
    "au4_au12_valence": "stages.valence",
    "au4_valence": "stages.valence",
    "check": "exports",
    "export": "exports",
    "extract": "extraction.run",
    "fau_net_valence": "stages.valence",
    "read_study": "datasets.fergi_study",
    "read_table": "files",
    "write_annotations": "pipeline",
    "write_synthetic_study": "datasets.synthetic",
    "write_table": "files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fergi' has no attribute '{name}'")
    return getattr(importlib.import_module(f"fergi.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
