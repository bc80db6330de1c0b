"""Files of trained iResNets: those of the authors, and what `fergi au train` writes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fergi.errors import MissingExtraError, UsageError, WeightsError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.scale import Scale
from fergi.stages.perception.estimators.checkpoint import read_checkpoint, require_layout
from fergi.stages.perception.estimators.networks.layout import (
    WIDTH,
    iresnet_depth_and_width,
    iresnet_layout,
)
from fergi.stages.perception.estimators.protocol import Network
from fergi.stages.perception.estimators.runtime import (
    CPU,
    Definition,
    Placement,
    compiled_network,
    network,
)
from fergi.weights.store import model_file

if TYPE_CHECKING:
    from torch import nn

DEPTH = 50
OUTPUTS = 384
"""64 intensities, of AU1 to AU64, then 64 × 5 ordinal logits."""

UNKNOWN_LICENCE = "research (user-supplied)"

_WANTED = "the iResNet-50 of 384 outputs that was trained on action units"
_ROWS = [unit - 1 for unit in ACTION_UNITS]
_ONNX = ".onnx"
_SAFE = ".safetensors"
_INPUTS = (["pictures"], ["pictures", "neutrals"])


@dataclass(frozen=True, slots=True, eq=False)
class IntensityNetwork:
    """A trained network, ready to be evaluated.

    Attributes:
        sha256: Of its file.
        licence: What the file says that it may be used for.
        scale: What its numbers mean; a proxy if it learned from no coder's labels.
        intensities: Aligned pictures → the intensities of `ACTION_UNITS`; where the network
            compares with a neutral picture, the difference of two `features` → intensities.
        features: Aligned pictures → what is compared; None where nothing is.
    """

    sha256: str
    licence: str
    scale: Scale
    intensities: Network
    features: Network | None = None


def intensity_network(path: Path, placement: Placement) -> IntensityNetwork:
    """Load a trained network of any depth and width.

    Args:
        path: A .safetensors or .onnx file of `fergi au train`, or the authors' weights as .pth
            or .safetensors.
        placement: Where it runs.

    Raises:
        WeightsError: If the file cannot be read, or is of another network.
        MissingExtraError: If nothing is installed that can run it.
        UsageError: If the device is unknown, or cannot run such a file.
    """
    if path.suffix == _ONNX:
        return _from_onnx(path, placement)
    checkpoint = read_checkpoint(path)
    shapes = {name: array.shape for name, array in checkpoint.tensors.items()}
    depth, width = iresnet_depth_and_width(shapes) or (DEPTH, WIDTH)
    require_layout(checkpoint, iresnet_layout(depth, OUTPUTS, width), _WANTED)
    metadata = model_file(path).metadata if path.suffix == _SAFE else {}
    licence, scale = _stated(metadata)
    tensors = dict(checkpoint.tensors)
    # The other outputs serve training; without them a quarter of the file is never run.
    for name in ("fc.weight", "fc.bias"):
        tensors[name] = tensors[name][_ROWS]
    if metadata.get("is_calibrated") != "yes":
        whole = Definition(partial(_graph, depth=depth), partial(_module, depth, width))
        evaluate = network(whole, tensors, placement)
        return IntensityNetwork(checkpoint.sha256, licence, scale, evaluate)
    features, conclusion = (
        Definition(partial(_half_graph, depth=depth, half=half), partial(_half, depth, width, half))
        for half in (0, 1)
    )
    return IntensityNetwork(
        checkpoint.sha256,
        licence,
        scale,
        network(conclusion, tensors, placement),
        network(features, tensors, placement),
    )


def _from_onnx(path: Path, placement: Placement) -> IntensityNetwork:
    try:
        import onnx  # noqa: PLC0415 (an extra)

        from fergi.stages.perception.estimators.networks.graph import (  # noqa: PLC0415 (an extra)
            siamese_halves,
        )
    except ImportError as error:
        raise MissingExtraError("Reading an .onnx file", "onnx") from error
    if placement.device != CPU:
        raise UsageError(
            f"{path.name}: an .onnx file runs on the processor only; give the .safetensors file "
            "beside it, or --device cpu"
        )
    content = _content(path)
    try:
        model = onnx.load_from_string(content)
        inputs = [one.name for one in model.graph.input]
        outputs = [one.name for one in model.graph.output]
    except Exception as error:  # protobuf has errors of its own
        raise WeightsError(f"{path.name}: is no ONNX model ({error}); give another") from error
    if inputs not in _INPUTS or outputs != ["numbers"]:
        raise WeightsError(
            f"{path.name}: takes {', '.join(inputs)} and gives {', '.join(outputs)}; "
            "give a network.onnx that fergi au train wrote"
        )
    licence, scale = _stated({one.key: one.value for one in model.metadata_props})
    sha256 = hashlib.sha256(content).hexdigest()
    if inputs == _INPUTS[0]:
        whole = compiled_network(content, placement.threads)
        return IntensityNetwork(sha256, licence, scale, _of_units(whole))
    features, conclusion = (
        compiled_network(half, placement.threads) for half in siamese_halves(content)
    )
    return IntensityNetwork(sha256, licence, scale, _of_units(conclusion), features)


def _stated(metadata: Mapping[str, str]) -> tuple[str, Scale]:
    """Give the licence and the scale that a file states; the authors' files state nothing."""
    scale = Scale(metadata.get("scale", Scale.INTENSITY.value))
    return metadata.get("licence", UNKNOWN_LICENCE), scale


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def _of_units(whole: Network) -> Network:
    """Keep the intensities of the twelve units."""
    return lambda given: whole(given)[:, _ROWS]


def _graph(tensors: Mapping[str, np.ndarray], depth: int) -> bytes:
    from fergi.stages.perception.estimators.networks.graph import (  # noqa: PLC0415 (an extra)
        iresnet_graph,
    )

    return iresnet_graph(tensors, depth)


def _half_graph(tensors: Mapping[str, np.ndarray], depth: int, half: int) -> bytes:
    from fergi.stages.perception.estimators.networks.graph import (  # noqa: PLC0415 (an extra)
        siamese_graph,
        siamese_halves,
    )

    return siamese_halves(siamese_graph(tensors, depth))[half]


def _module(depth: int, width: int) -> "nn.Module":
    from fergi.stages.perception.estimators.networks.iresnet import (  # noqa: PLC0415 (an extra)
        IResNet,
    )

    return IResNet(depth, len(_ROWS), width)


def _half(depth: int, width: int, half: int) -> "nn.Module":
    from fergi.stages.perception.estimators.networks.iresnet import (  # noqa: PLC0415 (an extra)
        ConclusionHalf,
        FeaturesHalf,
    )

    return (FeaturesHalf, ConclusionHalf)[half](depth, len(_ROWS), width)
