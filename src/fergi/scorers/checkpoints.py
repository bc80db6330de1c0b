"""Checkpoints in the forms in which their authors published them, loaded whole or not at all.

Published columns of two scorers come from heads that were never loaded, because nothing said
so. Here every tensor of a model comes from its file, and every tensor of the file goes into
the model, but for those that a converter drops by name.
"""

import os
import pickle
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy._core import multiarray
from torch import Tensor, nn

from fergi.errors import ScoresError, WeightsError
from fergi.scorers.protocol import ScorerOptions

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

_NAMES_SHOWN = 4
_Model = TypeVar("_Model", bound=nn.Module)

# Numbers such as the epoch, which training scripts leave beside the weights.
_NUMBERS: list[Any] = [
    (multiarray.scalar, "numpy.core.multiarray.scalar"),
    (multiarray.scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(name)) for name in ("f4", "f8", "i4", "i8", "?")),
]


def transformers() -> ModuleType:
    """Import transformers without network, telemetry, progress bars or chatter."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ.setdefault(name, "1")
    import transformers as package  # noqa: PLC0415 (takes seconds, and reads the above)

    logging: Any = package.utils.logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    return package


def read_tensors(path: Path, inside: str | None = None) -> dict[str, Tensor]:
    """Read a checkpoint without running anything that is in it.

    Args:
        path: A .safetensors file, or what torch.save wrote.
        inside: The key under which the latter holds the tensors, if not at its top.

    Returns:
        Tensors by name, on the processor.

    Raises:
        WeightsError: If the file cannot be read, or holds anything but tensors and numbers.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        with torch.serialization.safe_globals(_NUMBERS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, KeyError, RuntimeError, ValueError) as error:
        raise WeightsError(
            f"{path}: cannot be read ({_first_line(error)}); give another"
        ) from error
    except (pickle.UnpicklingError, safetensors.SafetensorError) as error:
        raise WeightsError(
            f"{path}: is no checkpoint of tensors alone, and nothing else is ever loaded; "
            "give the published file"
        ) from error
    return _tensors_in(content, inside, path)


def _tensors_in(content: Any, inside: str | None, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Mapping) and inside in content:
        content = content[inside]
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds no tensors by name; give the published file")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if len(tensors) != len(content):
        others = [str(name) for name in content if str(name) not in tensors]
        raise WeightsError(f"{path}: {_listed(others)} are no tensors; give the published file")
    return tensors


def loaded_strictly(
    build: Callable[[], _Model], tensors: Mapping[str, Tensor], path: Path, options: ScorerOptions
) -> _Model:
    """Build a model from a checkpoint, and nothing but the checkpoint.

    Args:
        build: Makes the model, its parameters without values.
        tensors: Under the names that the model has.
        path: Where they come from, for messages.
        options: Device and dtype.

    Returns:
        The model, in evaluation mode.

    Raises:
        WeightsError: If a tensor is missing, unexpected, of another shape or not finite.
    """
    with torch.device("meta"):
        model = build()
    expected = model.state_dict()
    _require_equal_names(expected.keys(), tensors.keys(), path)
    wrong = [name for name, tensor in expected.items() if tensor.shape != tensors[name].shape]
    if wrong:
        raise WeightsError(f"{path}: {_listed(wrong)} have shapes of another model; {_GIVE_OWN}")
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise WeightsError(
            f"{path}: {_listed(broken)} hold numbers that are not finite; {_GIVE_OWN}"
        )
    model.load_state_dict(tensors, strict=True, assign=True)
    _number_positions(model)
    return model.eval().requires_grad_(False).to(device(options), dtype(options))


_GIVE_OWN = "give the file that the scorer names"


def _require_equal_names(expected: Iterable[str], found: Iterable[str], path: Path) -> None:
    missing, unexpected = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or unexpected:
        faults = [
            f"{what} {_listed(names)}"
            for what, names in (("lacks", missing), ("has the unknown", unexpected))
            if names
        ]
        raise WeightsError(f"{path}: {' and '.join(faults)}; {_GIVE_OWN}")


def reported_faults(report: Mapping[str, Any]) -> str:
    """List what transformers reports of a model that it loaded; empty if nothing is wrong.

    Args:
        report: What `from_pretrained` gives with `output_loading_info`.
    """
    faults = {kind: sorted(map(str, found)) for kind, found in report.items() if found}
    return "; ".join(f"{kind.replace('_', ' ')}: {_listed(one)}" for kind, one in faults.items())


def _number_positions(model: nn.Module) -> None:
    """Fill the buffers that no checkpoint holds: the numbers of positions."""
    for name, buffer in model.named_buffers():
        if not buffer.is_meta:
            continue
        owner, _, leaf = name.rpartition(".")
        if leaf != "position_ids":
            raise WeightsError(f"this version of transformers keeps an unknown '{name}'")
        positions = torch.arange(buffer.shape[-1]).expand(buffer.shape)
        model.get_submodule(owner).register_buffer(leaf, positions, persistent=False)


def without(tensors: Mapping[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    """Drop the tensors whose names begin with one of the prefixes."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(prefixes)}


def layer_count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """Count the layers that are numbered after a prefix: one more than the highest number."""
    numbers = [
        int(number)
        for name in tensors
        if name.startswith(prefix)
        and (number := name.removeprefix(prefix).partition(".")[0]).isdecimal()
    ]
    return max(numbers, default=-1) + 1


def device(options: ScorerOptions) -> torch.device:
    """Name the device.

    Raises:
        ScoresError: If torch has no such device here.
    """
    try:
        return torch.empty(0, device=options.device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ScoresError(
            f"torch cannot use the device '{options.device}' here; choose cpu, or install a "
            "torch for it"
        ) from error


def dtype(options: ScorerOptions) -> torch.dtype:
    """Name the type of numbers.

    Raises:
        ScoresError: If it is none of those that scorers are run with.
    """
    if options.dtype not in DTYPES:
        raise ScoresError(f"'{options.dtype}' is none of {', '.join(DTYPES)}; choose one of them")
    return DTYPES[options.dtype]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
