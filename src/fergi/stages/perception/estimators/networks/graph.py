"""The networks as ONNX graphs, built from their tensors: what ONNX Runtime needs, without torch.

Normalisations that follow a convolution are folded into it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from jaxtyping import Float
from onnx import TensorProto, helper, numpy_helper

from fergi.stages.perception.estimators.networks.layout import (
    BLOCKS,
    LAST_CHANNELS,
    MOBILE_STAGES,
    MOBILE_STEM_CHANNELS,
)

_OPSET = 17
_EPSILON = 1e-5
"""Added to variances, by the default of torch, with which the public weights were trained."""
_INPUT, _OUTPUT = "pictures", "numbers"
_NEUTRALS, _BOTH, _BOTH_FEATURES, _DIFFERENCE = "neutrals", "both", "both_features", "difference"
_SIDE = 112

Tensors = Mapping[str, np.ndarray]


def iresnet_graph(tensors: Tensors, depth: int) -> bytes:
    """Build an iResNet.

    Args:
        tensors: Those that `iresnet_layout` names, as float32; `fc` may have fewer rows.
        depth: 18, 34, 50 or 100.

    Returns:
        An ONNX model; any number of RGB pictures, 0 to 1, channels first → numbers.
    """
    graph = _Graph(tensors)
    features = _residual_features(graph, _INPUT, depth)
    return graph.model(_concluded(graph, features, depth))


def siamese_graph(tensors: Tensors, depth: int) -> bytes:
    """Build an iResNet that compares pictures with neutral ones of the same people.

    Args:
        tensors: Those that `iresnet_layout` names, as float32; `fc` may have fewer rows.
        depth: 18, 34, 50 or 100.

    Returns:
        An ONNX model; RGB pictures, 0 to 1, channels first, and one neutral picture for all of
        them or one for each → numbers. Inside, `both` → `both_features` are all stages but the
        last, and `difference` → numbers the last.

    Source:
        Feng & de Sa (2024), arXiv:2409.00240.
    """
    graph = _Graph(tensors)
    both = graph.named(graph.node("Concat", _INPUT, _NEUTRALS, axis=0), _BOTH)
    features = graph.named(_residual_features(graph, both, depth), _BOTH_FEATURES)
    count = graph.node("Shape", _INPUT, start=0, end=1)
    start, end, axis = (graph.integer(number) for number in (0, np.iinfo(np.int64).max, 0))
    of_pictures = graph.node("Slice", features, start, count, axis)
    of_neutrals = graph.node("Slice", features, count, end, axis)
    difference = graph.named(graph.node("Sub", of_pictures, of_neutrals), _DIFFERENCE)
    return graph.model(_concluded(graph, difference, depth), (_INPUT, _NEUTRALS))


def siamese_halves(model: bytes) -> tuple[bytes, bytes]:
    """Split a model of `siamese_graph` at the difference.

    Returns:
        Pictures → features, and difference of features → numbers.
    """
    extractor = onnx.utils.Extractor(onnx.load_from_string(model))
    halves = ((_BOTH, _BOTH_FEATURES), (_DIFFERENCE, _OUTPUT))
    before, after = (extractor.extract_model([taken], [given]) for taken, given in halves)
    return before.SerializeToString(), after.SerializeToString()


def mobilefacenet_graph(tensors: Tensors) -> bytes:
    """Build the landmark network.

    Args:
        tensors: Those that `mobilefacenet_layout` names, as float32.

    Returns:
        An ONNX model; any number of RGB pictures, 0 to 1, channels first → coordinates.
    """
    graph = _Graph(tensors)
    features = _block(graph, _INPUT, "conv1", stride=2, padding=1)
    features = _block(graph, features, "conv2_dw", padding=1, groups=MOBILE_STEM_CHANNELS)
    for stage in MOBILE_STAGES:
        features = _bottleneck(graph, features, stage.entrance, stage.entrance_width, stride=2)
        for block in range(stage.blocks):
            name = f"{stage.chain}.model.{block}"
            narrowed = _bottleneck(graph, features, name, stage.width, stride=1)
            features = graph.node("Add", features, narrowed)
    features = _block(graph, features, "conv_6_sep")
    features = _block(graph, features, "output_layer.conv_6_dw", groups=LAST_CHANNELS)
    # A normalisation that follows a matrix is folded into it.
    scale, shift = graph.scale_and_shift("output_layer.bn")
    weights = tensors["output_layer.linear.weight"] * scale[:, np.newaxis]
    return graph.model(graph.mixed(graph.flat(features), weights, shift))


class _Graph:
    """Collects nodes; every method gives the name of what its node computes."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        # Filled in place: weights are large, and onnx's own builders copy them at each step.
        self._model = onnx.ModelProto()
        self._graph = self._model.graph

    def has(self, tensor: str) -> bool:
        return tensor in self._tensors

    def tensor(self, name: str) -> np.ndarray:
        return self._tensors[name]

    def named(self, output: str, name: str) -> str:
        """Give what the last node computes a name that others can rely on."""
        node = self._graph.node[-1]
        if node.output[0] != output:
            raise ValueError(f"{output} is not what the last node computes")
        node.output[0] = name
        self._graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        return name

    def integer(self, number: int) -> str:
        constant = self._graph.initializer.add()
        constant.CopyFrom(numpy_helper.from_array(np.array([number], dtype=np.int64)))
        constant.name = f"constant_{len(self._graph.initializer)}"
        return str(constant.name)

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operation}_{len(self._graph.node)}"
        self._graph.node.append(helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def convolution(
        self,
        features: str,
        weight: str,
        *,
        normalisation: str,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> str:
        """Convolve and normalise."""
        scale, shift = self.scale_and_shift(normalisation)
        kernels = self._tensors[weight]
        return self.node(
            "Conv",
            features,
            self._constant(kernels * scale[:, np.newaxis, np.newaxis, np.newaxis]),
            self._constant(shift),
            kernel_shape=list(kernels.shape[2:]),
            strides=[stride] * 2,
            pads=[padding] * 4,
            group=groups,
        )

    def normalised(self, features: str, name: str) -> str:
        parts = ("weight", "bias", "running_mean", "running_var")
        constants = [self._constant(self._tensors[f"{name}.{part}"]) for part in parts]
        return self.node("BatchNormalization", features, *constants, epsilon=_EPSILON)

    def bend(self, features: str, slope: str) -> str:
        slopes = self._tensors[slope][:, np.newaxis, np.newaxis]
        return self.node("PRelu", features, self._constant(slopes))

    def flat(self, features: str) -> str:
        return self.node("Flatten", features)

    def mixed(
        self,
        features: str,
        weights: Float[np.ndarray, "outputs inputs"],
        bias: Float[np.ndarray, " outputs"],
    ) -> str:
        constants = (self._constant(weights), self._constant(bias))
        return self.node("Gemm", features, *constants, transB=1)

    def scale_and_shift(
        self, name: str
    ) -> tuple[Float[np.ndarray, " channels"], Float[np.ndarray, " channels"]]:
        """Give what a normalisation multiplies by and adds."""
        scale = self._tensors[f"{name}.weight"] / np.sqrt(
            self._tensors[f"{name}.running_var"] + _EPSILON
        )
        return scale, self._tensors[f"{name}.bias"] - self._tensors[f"{name}.running_mean"] * scale

    def model(self, output: str, inputs: tuple[str, ...] = (_INPUT,)) -> bytes:
        """Serialise the graph; `output` is what it is for, from pictures of each input."""
        self._graph.name = "network"
        self._graph.node.append(helper.make_node("Identity", [output], [_OUTPUT]))
        self._graph.input.extend(_values(name, name, 3, _SIDE, _SIDE) for name in inputs)
        self._graph.output.append(_values(_OUTPUT, "pictures", "numbers"))
        operations = helper.make_opsetid("", _OPSET)
        self._model.opset_import.append(operations)
        self._model.ir_version = helper.find_min_ir_version_for([operations])
        return bytes(self._model.SerializeToString())

    def _constant(self, array: np.ndarray) -> str:
        constant = self._graph.initializer.add()
        constant.name = f"constant_{len(self._graph.initializer)}"
        constant.data_type = TensorProto.FLOAT
        constant.dims.extend(array.shape)
        constant.raw_data = array.astype("<f4").tobytes()
        return str(constant.name)


def _values(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    """Describe what goes in or comes out; a word stands for any size."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _residual_features(graph: _Graph, pictures: str, depth: int) -> str:
    """Add all that comes before the last stage."""
    features = graph.convolution(pictures, "conv1.weight", normalisation="bn1", padding=1)
    features = graph.bend(features, "prelu.weight")
    for stage, blocks in enumerate(BLOCKS[depth][:-1], start=1):
        for block in range(blocks):
            features = _residual_block(graph, features, f"layer{stage}.{block}")
    return features


def _concluded(graph: _Graph, features: str, depth: int) -> str:
    """Add the last stage, and what comes after it."""
    last = len(BLOCKS[depth])
    for block in range(BLOCKS[depth][-1]):
        features = _residual_block(graph, features, f"layer{last}.{block}")
    features = graph.flat(graph.normalised(features, "bn2"))
    return graph.mixed(features, graph.tensor("fc.weight"), graph.tensor("fc.bias"))


def _residual_block(graph: _Graph, features: str, name: str) -> str:
    is_first = name.endswith(".0")
    stride = 2 if is_first else 1
    inner = graph.normalised(features, f"{name}.bn1")
    inner = graph.convolution(inner, f"{name}.conv1.weight", normalisation=f"{name}.bn2", padding=1)
    inner = graph.bend(inner, f"{name}.prelu.weight")
    inner = graph.convolution(
        inner, f"{name}.conv2.weight", normalisation=f"{name}.bn3", stride=stride, padding=1
    )
    if is_first:
        features = graph.convolution(
            features,
            f"{name}.downsample.0.weight",
            normalisation=f"{name}.downsample.1",
            stride=stride,
        )
    return graph.node("Add", inner, features)


def _block(
    graph: _Graph, features: str, name: str, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> str:
    """Convolve, normalise and, where there are slopes, bend."""
    features = graph.convolution(
        features,
        f"{name}.conv.weight",
        normalisation=f"{name}.bn",
        stride=stride,
        padding=padding,
        groups=groups,
    )
    slope = f"{name}.prelu.weight"
    return graph.bend(features, slope) if graph.has(slope) else features


def _bottleneck(graph: _Graph, features: str, name: str, width: int, *, stride: int) -> str:
    inner = _block(graph, features, f"{name}.conv")
    inner = _block(graph, inner, f"{name}.conv_dw", stride=stride, padding=1, groups=width)
    return _block(graph, inner, f"{name}.project")
