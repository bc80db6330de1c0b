"""MobileFaceNet as a landmark network, in torch.

Names of its tensors are those of the public checkpoint.

Source: Chen, Liu, Gao & Han (2018), arXiv:1804.07573.
"""

from jaxtyping import Float
from torch import Tensor, nn

from fergi.stages.perception.estimators.networks.layout import (
    FINAL_SIDE,
    LANDMARK_OUTPUTS,
    LAST_CHANNELS,
    MOBILE_STAGES,
    MOBILE_STEM_CHANNELS,
)


class ConvolutionBlock(nn.Module):
    """A convolution, its normalisation and, unless it is linear, a PReLU.

    Args:
        channels_in: Of the input.
        channels: Of the output.
        kernel: Its side.
        stride: 2 halves height and width.
        padding: Black pixels around the input.
        groups: Into how many the channels are split.
        is_linear: Whether there is no PReLU.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        is_linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in, channels, kernel, stride, padding, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(channels)
        self.prelu = nn.Identity() if is_linear else nn.PReLU(channels)

    def forward(
        self, features: Float[Tensor, "pictures channels height width"]
    ) -> Float[Tensor, "pictures channels_out height_out width_out"]:
        """Convolve, normalise, bend."""
        numbers: Tensor = self.prelu(self.bn(self.conv(features)))
        return numbers


class Bottleneck(nn.Module):
    """Widen, convolve each channel by itself, narrow.

    Args:
        channels_in: Of the input.
        channels: Of the output.
        width: Channels in between.
        stride: 2 halves height and width.
        is_residual: Whether the input is added to the output.
    """

    def __init__(
        self, channels_in: int, channels: int, width: int, *, stride: int, is_residual: bool
    ) -> None:
        super().__init__()
        self.conv = ConvolutionBlock(channels_in, width, 1)
        self.conv_dw = ConvolutionBlock(width, width, 3, stride=stride, padding=1, groups=width)
        self.project = ConvolutionBlock(width, channels, 1, is_linear=True)
        self.is_residual = is_residual

    def forward(
        self, features: Float[Tensor, "pictures channels height width"]
    ) -> Float[Tensor, "pictures channels_out height_out width_out"]:
        """Apply the three convolutions."""
        narrowed: Tensor = self.project(self.conv_dw(self.conv(features)))
        return features + narrowed if self.is_residual else narrowed


class ResidualChain(nn.Module):
    """Residual bottlenecks of one shape, one after another.

    Args:
        channels: Of input and output.
        width: Channels inside a bottleneck.
        count: How many bottlenecks.
    """

    def __init__(self, channels: int, width: int, count: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            *(
                Bottleneck(channels, channels, width, stride=1, is_residual=True)
                for _ in range(count)
            )
        )

    def forward(
        self, features: Float[Tensor, "pictures channels height width"]
    ) -> Float[Tensor, "pictures channels height width"]:
        """Apply them all."""
        numbers: Tensor = self.model(features)
        return numbers


class LandmarkHead(nn.Module):
    """One number for each channel, mixed into coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_6_dw = ConvolutionBlock(
            LAST_CHANNELS, LAST_CHANNELS, FINAL_SIDE, groups=LAST_CHANNELS, is_linear=True
        )
        self.linear = nn.Linear(LAST_CHANNELS, LANDMARK_OUTPUTS, bias=False)
        self.bn = nn.BatchNorm1d(LANDMARK_OUTPUTS)

    def forward(
        self, features: Float[Tensor, "pictures channels 7 7"]
    ) -> Float[Tensor, "pictures coordinates"]:
        """Pool and mix."""
        numbers: Tensor = self.bn(self.linear(self.conv_6_dw(features).flatten(1)))
        return numbers


class MobileFaceNet(nn.Module):
    """Pictures of 112 × 112 pixels → 68 landmarks, x0, y0, x1 …, as shares of the picture."""

    def __init__(self) -> None:
        super().__init__()
        stem = MOBILE_STEM_CHANNELS
        self.conv1 = ConvolutionBlock(3, stem, 3, stride=2, padding=1)
        self.conv2_dw = ConvolutionBlock(stem, stem, 3, padding=1, groups=stem)
        channels = stem
        for stage in MOBILE_STAGES:
            self.add_module(
                stage.entrance,
                Bottleneck(
                    channels, stage.channels, stage.entrance_width, stride=2, is_residual=False
                ),
            )
            self.add_module(stage.chain, ResidualChain(stage.channels, stage.width, stage.blocks))
            channels = stage.channels
        self.conv_6_sep = ConvolutionBlock(channels, LAST_CHANNELS, 1)
        self.output_layer = LandmarkHead()

    def forward(
        self, pictures: Float[Tensor, "pictures 3 112 112"]
    ) -> Float[Tensor, "pictures 136"]:
        """Evaluate RGB pictures, 0 to 1."""
        features = pictures
        # Parts act in the order in which they were added.
        for part in self.children():
            features = part(features)
        return features
