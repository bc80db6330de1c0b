"""Models that the browser needs: face networks, the estimator, the valence network."""

import functools
import hashlib
from dataclasses import dataclass
from importlib import resources

from fergi.errors import WeightsError
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.study_messages import ServedModel
from fergi.weights.fetched import fetched_file
from fergi.weights.store import registry, shipped_model

FACE_TASK = "face_landmarker.task"
_FACE_MODEL = "face-landmarker"
_SHIPPED = {"mesh.safetensors": "mesh", "fau-net.safetensors": "fau-net"}
MODEL_NAMES = (FACE_TASK, *_SHIPPED)


@dataclass(frozen=True, slots=True)
class ModelBytes:
    """A model as it is served."""

    content: bytes
    sha256: str


def served_model(name: str) -> ModelBytes:
    """Read a model for the browser, verified.

    Raises:
        RequestRefusedError: If there is no such model, or it was not fetched.
    """
    if name not in MODEL_NAMES:
        raise RequestRefusedError("unknown", f"Models are {', '.join(MODEL_NAMES)}.")
    try:
        return _model(name)
    except WeightsError as error:
        raise RequestRefusedError("model-missing", str(error)) from error


def served_models() -> dict[str, ServedModel]:
    """List the models that are here."""
    found = {}
    for name in MODEL_NAMES:
        try:
            model = _model(name)
        except WeightsError:
            continue
        found[name] = ServedModel(sha256=model.sha256, bytes=len(model.content))
    return found


@functools.cache  # a few megabytes, asked for by every browser
def _model(name: str) -> ModelBytes:
    content = fetched_file(_FACE_MODEL).read_bytes() if name == FACE_TASK else _shipped(name)
    return ModelBytes(content, hashlib.sha256(content).hexdigest())


def _shipped(name: str) -> bytes:
    entry = registry().get(_SHIPPED[name])
    if entry is None:
        raise WeightsError(f"{name} is not part of this version of fergi; install a newer one")
    shipped_model(entry.name)  # refuses what is altered
    return (resources.files("fergi.weights") / "shipped" / entry.file).read_bytes()
