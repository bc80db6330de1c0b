"""What the networks are made of: numbers of their parts, names and shapes of their tensors.

No torch here: a file of weights can be checked, and run by ONNX Runtime, without it.
"""

from dataclasses import dataclass

Layout = dict[str, tuple[int, ...]]
"""Shapes by name, in the order of a state dict; normalisations count batches on top."""

BATCH_COUNT = "num_batches_tracked"
"""Ends the name of a tensor that only training uses."""

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
"""Residual blocks of the four stages of iResNet, by depth."""

WIDTH = 64
"""Channels of the first stage of iResNet, and of what comes before it."""
WIDENINGS = (1, 2, 4, 8)
"""Channels of the four stages, in those of the first."""
FINAL_SIDE = 7
"""Height and width that are left of 112 pixels after four halvings."""


@dataclass(frozen=True, slots=True)
class MobileStage:
    """One scale of MobileFaceNet: a bottleneck that halves the picture, and a chain of others.

    Attributes:
        entrance: Name of the first bottleneck.
        entrance_width: Channels inside it.
        chain: Name of the chain.
        blocks: Bottlenecks in the chain.
        channels: Between the bottlenecks.
        width: Inside those of the chain.
    """

    entrance: str
    entrance_width: int
    chain: str
    blocks: int
    channels: int
    width: int


MOBILE_STEM_CHANNELS = 64
MOBILE_STAGES = (
    MobileStage("conv_23", 128, "conv_3", blocks=4, channels=64, width=128),
    MobileStage("conv_34", 256, "conv_4", blocks=6, channels=128, width=256),
    MobileStage("conv_45", 512, "conv_5", blocks=2, channels=128, width=256),
)
LAST_CHANNELS = 512
LANDMARK_OUTPUTS = 136


def iresnet_layout(depth: int, outputs: int, width: int = WIDTH) -> Layout:
    """Name the tensors of an iResNet.

    Args:
        depth: 18, 34, 50 or 100.
        outputs: How many numbers it gives.
        width: Channels of the first stage.
    """
    layout: Layout = {"conv1.weight": (width, 3, 3, 3)}
    layout |= _normalisation("bn1", width) | {"prelu.weight": (width,)}
    channels = width
    for stage, (blocks, wider) in enumerate(zip(BLOCKS[depth], WIDENINGS, strict=True), start=1):
        for block in range(blocks):
            layout |= _residual_block(f"layer{stage}.{block}", channels, wider * width, block == 0)
            channels = wider * width
    layout |= _normalisation("bn2", channels)
    return layout | {"fc.weight": (outputs, channels * FINAL_SIDE**2), "fc.bias": (outputs,)}


def iresnet_depth_and_width(shapes: Layout) -> tuple[int, int] | None:
    """Tell which iResNet has tensors of these names and shapes; None if it is none.

    The last layer may have any number of outputs, and may be missing.
    """
    stem = shapes.get("conv1.weight", ())
    blocks = tuple(
        len({name.split(".")[1] for name in shapes if name.startswith(f"layer{stage}.")})
        for stage in range(1, len(WIDENINGS) + 1)
    )
    depths = [depth for depth, wanted in BLOCKS.items() if wanted == blocks]
    return (depths[0], stem[0]) if depths and stem else None


def mobilefacenet_layout() -> Layout:
    """Name the tensors of the landmark network."""
    stem = MOBILE_STEM_CHANNELS
    layout = _convolution("conv1", (stem, 3, 3, 3)) | _convolution("conv2_dw", (stem, 1, 3, 3))
    channels = stem
    for stage in MOBILE_STAGES:
        layout |= _bottleneck(stage.entrance, channels, stage.channels, stage.entrance_width)
        channels = stage.channels
        for block in range(stage.blocks):
            layout |= _bottleneck(f"{stage.chain}.model.{block}", channels, channels, stage.width)
    layout |= _convolution("conv_6_sep", (LAST_CHANNELS, channels, 1, 1))
    pooling = (LAST_CHANNELS, 1, FINAL_SIDE, FINAL_SIDE)
    layout |= _convolution("output_layer.conv_6_dw", pooling, is_linear=True)
    layout["output_layer.linear.weight"] = (LANDMARK_OUTPUTS, LAST_CHANNELS)
    return layout | _normalisation("output_layer.bn", LANDMARK_OUTPUTS)


def _residual_block(name: str, channels_in: int, channels: int, is_first: bool) -> Layout:
    layout = _normalisation(f"{name}.bn1", channels_in)
    layout[f"{name}.conv1.weight"] = (channels, channels_in, 3, 3)
    layout |= _normalisation(f"{name}.bn2", channels)
    layout[f"{name}.prelu.weight"] = (channels,)
    layout[f"{name}.conv2.weight"] = (channels, channels, 3, 3)
    layout |= _normalisation(f"{name}.bn3", channels)
    if is_first:
        layout[f"{name}.downsample.0.weight"] = (channels, channels_in, 1, 1)
        layout |= _normalisation(f"{name}.downsample.1", channels)
    return layout


def _bottleneck(name: str, channels_in: int, channels: int, width: int) -> Layout:
    return (
        _convolution(f"{name}.conv", (width, channels_in, 1, 1))
        | _convolution(f"{name}.conv_dw", (width, 1, 3, 3))
        | _convolution(f"{name}.project", (channels, width, 1, 1), is_linear=True)
    )


def _convolution(name: str, shape: tuple[int, int, int, int], *, is_linear: bool = False) -> Layout:
    layout: Layout = {f"{name}.conv.weight": shape}
    layout |= _normalisation(f"{name}.bn", shape[0])
    return layout if is_linear else layout | {f"{name}.prelu.weight": (shape[0],)}


def _normalisation(name: str, channels: int) -> Layout:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts}
