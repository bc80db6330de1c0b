"""What evaluates a network: ONNX Runtime on a processor, torch on a GPU or in its absence."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from fergi.errors import MissingExtraError, UsageError
from fergi.stages.perception.alignment import FACE_SIZE
from fergi.stages.perception.estimators.protocol import Network
from fergi.stages.perception.estimators.shared_batches import SharedBatches

if TYPE_CHECKING:
    import torch
    from torch import nn

CPU = "cpu"

_BRIGHTEST = 255

_COMPILED_BATCH = 4
"""More pictures at once fill no processor better, and no longer fit its cache."""
_TORCH_BATCH = 16
_GPU_BATCH = 256


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how networks run; it changes no result but in the last digits.

    Attributes:
        device: "cpu", or a device of torch such as "cuda" or "cuda:1".
        threads: Threads of a network on the processor. Clips run side by side instead.
        is_half: Whether torch calculates in half precision; None: on a GPU it does.
    """

    device: str = CPU
    threads: int = 1
    is_half: bool | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """The two ways to build a network; each imports what it needs when it is called.

    Attributes:
        graph: Tensors → ONNX model.
        module: The network in torch, with any weights.
    """

    graph: Callable[[Mapping[str, np.ndarray]], bytes]
    module: Callable[[], "nn.Module"]


def channels_first(
    pictures: Sequence[UInt8[np.ndarray, "112 112 3"]],
) -> Float[np.ndarray, "pictures 3 112 112"]:
    """Stack RGB pictures as the networks take them: 0 to 1, channels first."""
    stacked = np.zeros((len(pictures), 3, FACE_SIZE, FACE_SIZE), dtype=np.float32)
    for place, picture in zip(stacked, pictures, strict=True):
        place[:] = picture.transpose(2, 0, 1)
    return stacked / np.float32(_BRIGHTEST)


def network(
    definition: Definition, tensors: Mapping[str, np.ndarray], placement: Placement
) -> Network:
    """Build a network that can be evaluated.

    On a processor ONNX Runtime is preferred, and torch used where that is not installed.

    Args:
        definition: Of the network.
        tensors: Its weights, all of them.
        placement: Where it runs.

    Raises:
        MissingExtraError: If nothing is installed that can run it.
        UsageError: If torch does not know the device.
    """
    if placement.device == CPU and not placement.is_half:
        try:
            return compiled_network(definition.graph(tensors), placement.threads)
        except ImportError:
            pass  # torch does it too, if slower
    try:
        return torch_network(definition.module(), tensors, placement)
    except ImportError as error:
        extra = "onnx" if placement.device == CPU else "train"
        raise MissingExtraError("This estimator of action units", extra) from error


def compiled_network(graph: bytes, threads: int = 1) -> Network:
    """Compile an ONNX model for this processor."""
    # Since 1.29 it keeps an identifier of the device and reports to Microsoft, from its import
    # on, unless this is set before. The call is for a program that had imported it already.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # noqa: PLC0415 (an extra)

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; they are raised as well
    # Threads that wait in a loop would take the cores from clips that run side by side.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    (pictures_name,) = (taken.name for taken in session.get_inputs())

    def evaluate(
        pictures: Float[np.ndarray, "pictures ..."],
    ) -> Float[np.ndarray, "pictures ..."]:
        return np.asarray(session.run(None, {pictures_name: pictures})[0])

    return _in_batches(evaluate, _COMPILED_BATCH)


def torch_network(
    module: "nn.Module", tensors: Mapping[str, np.ndarray], placement: Placement
) -> Network:
    """Give a module its weights, and put it on its device, channels last.

    Torch keeps one number of threads for the whole process; on a processor it is set here.

    Raises:
        UsageError: If torch does not know the device.
    """
    import torch  # noqa: PLC0415 (an extra)

    # Counts of batches are missing: they matter to training only, and layouts are checked before.
    module.load_state_dict(
        {name: torch.tensor(array) for name, array in tensors.items()}, strict=False
    )
    device = _device(placement.device)
    if device.type == CPU:
        torch.set_num_threads(placement.threads)
    module = module.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    is_half = placement.is_half if placement.is_half is not None else device.type != CPU
    # Processors know bfloat16; graphics cards keep more digits in float16.
    half = torch.bfloat16 if device.type == CPU else torch.float16

    @torch.inference_mode()
    def evaluate(
        pictures: Float[np.ndarray, "pictures ..."],
    ) -> Float[np.ndarray, "pictures ..."]:
        given = torch.from_numpy(pictures).to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=half, enabled=is_half):
            numbers = module(given)
        return np.asarray(numbers.float().cpu().numpy())

    if device.type == CPU:
        return _in_batches(evaluate, _TORCH_BATCH)
    return SharedBatches(_in_batches(evaluate, _GPU_BATCH), _GPU_BATCH)


def _device(name: str) -> "torch.device":
    import torch  # noqa: PLC0415 (an extra)

    try:
        return torch.empty(0, device=name).device
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        raise UsageError(
            f"torch cannot use the device '{name}' here; choose cpu, or install a torch for it"
        ) from error


def _in_batches(evaluate: Network, size: int) -> Network:
    def evaluate_all(
        pictures: Float[np.ndarray, "pictures ..."],
    ) -> Float[np.ndarray, "pictures ..."]:
        starts = range(0, max(len(pictures), 1), size)
        return np.concatenate([evaluate(pictures[start : start + size]) for start in starts])

    return evaluate_all
