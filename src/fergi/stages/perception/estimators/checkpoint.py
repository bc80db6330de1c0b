"""Files of weights that a user names: read without running what is in them, and checked whole."""

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fergi.errors import MissingExtraError, WeightsError
from fergi.stages.perception.estimators.networks.layout import BATCH_COUNT, Layout
from fergi.weights.store import model_file

_SAFE_ENDING = ".safetensors"
_TORCH_STARTS = (b"PK", b"\x80")
"""A zip archive, or in older files a pickle."""
_INSIDE = "state_dict"
"""Where training scripts keep the tensors, beside the epoch and the like."""
_PARALLEL = "module."
"""What torch puts before each name while it trains on several devices."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A file of weights as it was read.

    Attributes:
        name: Of the file.
        sha256: Of its bytes.
        tensors: Named arrays, floating ones as float32; no counts of batches.
    """

    name: str
    sha256: str
    tensors: Mapping[str, np.ndarray]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file of weights.

    Args:
        path: A .safetensors file, or what torch.save wrote: a state dict, or one under
            `state_dict`. Nothing but tensors and plain values is ever read from it.

    Returns:
        Its tensors, under the names that the network itself has.

    Raises:
        WeightsError: If it cannot be read, or holds anything else.
        MissingExtraError: If torch is needed for it and not installed.
    """
    if path.suffix == _SAFE_ENDING:
        model = model_file(path)
        return Checkpoint(path.name, model.sha256, _plain(model.tensors))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    tensors = _torch_tensors(path.name, content)
    return Checkpoint(path.name, hashlib.sha256(content).hexdigest(), _plain(tensors))


def require_layout(checkpoint: Checkpoint, layout: Layout, wanted: str) -> None:
    """Check that a file holds the tensors of a network, all of them and no others.

    Args:
        checkpoint: As it was read.
        layout: Names and shapes of the network's tensors.
        wanted: What the network is, for the message.

    Raises:
        WeightsError: If a tensor is missing, unknown, of another shape or not finite.
    """
    faults = _faults(checkpoint.tensors, layout)
    if faults:
        raise WeightsError(
            f"{checkpoint.name}: is of another network: {'; '.join(faults)}. Give {wanted}"
        )
    broken = [name for name, array in checkpoint.tensors.items() if not np.isfinite(array).all()]
    if broken:
        raise WeightsError(
            f"{checkpoint.name}: {_listed(broken)} holds numbers that are not finite; "
            "the file was spoilt or badly trained: give another"
        )


def _faults(tensors: Mapping[str, np.ndarray], layout: Layout) -> list[str]:
    missing = [name for name in layout if name not in tensors]
    unknown = [name for name in tensors if name not in layout]
    reshaped = [
        f"{name} is {_shape(tensors[name].shape)} instead of {_shape(shape)}"
        for name, shape in layout.items()
        if name in tensors and tensors[name].shape != shape
    ]
    faults = [f"it lacks {_listed(missing)}"] if missing else []
    faults += [f"it has the unknown {_listed(unknown)}"] if unknown else []
    return faults + ([_listed(reshaped)] if reshaped else [])


def _torch_tensors(name: str, content: bytes) -> dict[str, np.ndarray]:
    try:
        import torch  # noqa: PLC0415 (only files of torch need it)
    except ImportError as error:
        raise MissingExtraError(f"Reading {name}, unless saved as {_SAFE_ENDING},", "train") from (
            error
        )
    if not content.startswith(_TORCH_STARTS):
        raise _no_weights(name, "it does not begin as such a file does")
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{name}: holds more than tensors, and fergi runs no code from a file; "
            f"save its state dict alone, or as {_SAFE_ENDING}"
        ) from error
    except Exception as error:  # torch's reader breaks in any way over what is no such file
        raise _no_weights(name, _first_line(error)) from error
    return {
        key: value.float().numpy() if value.is_floating_point() else value.numpy()
        for key, value in _named_tensors(name, found).items()
    }


def _no_weights(name: str, found: str) -> WeightsError:
    return WeightsError(
        f"{name}: is no file of weights, or was cut off ({found}); fetch or copy it again"
    )


def _named_tensors(name: str, found: Any) -> dict[str, Any]:
    import torch  # noqa: PLC0415 (as above)

    if isinstance(found, dict) and isinstance(found.get(_INSIDE), dict):
        found = found[_INSIDE]
    if not isinstance(found, dict) or not found:
        raise WeightsError(f"{name}: holds no named tensors; save a model's state dict")
    others = [str(key) for key, value in found.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise WeightsError(
            f"{name}: {_listed(others)} is no tensor; save a model's state dict alone"
        )
    return {str(key): value for key, value in found.items()}


def _plain(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    is_parallel = all(name.startswith(_PARALLEL) for name in tensors)
    return {
        name.removeprefix(_PARALLEL) if is_parallel else name: array.astype(np.float32, copy=False)
        for name, array in tensors.items()
        if not name.endswith(BATCH_COUNT)
    }


def _listed(names: list[str]) -> str:
    shown = names[0]
    return shown if len(names) == 1 else f"{shown} and {len(names) - 1} more"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a single number"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
