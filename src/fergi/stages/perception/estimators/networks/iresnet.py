"""iResNet, the residual network of InsightFace, in torch: depths 18, 34, 50 and 100.

Names of its tensors are those of the public checkpoints.

Source: Duta, Liu, Zhu & Shao (2020), arXiv:2004.04989; Deng et al. (2019), arXiv:1801.07698.
"""

from jaxtyping import Float
from torch import Tensor, nn

from fergi.stages.perception.estimators.networks.layout import (
    BLOCKS,
    FINAL_SIDE,
    WIDENINGS,
    WIDTH,
)


class ResidualBlock(nn.Module):
    """Two convolutions, each between normalisations, around which the input passes.

    Args:
        channels_in: Of the input.
        channels: Of the output.
        stride: 2 halves height and width.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample = nn.Sequential()
        if stride > 1:
            shortcut = nn.Conv2d(channels_in, channels, 1, stride=stride, bias=False)
            self.downsample.extend([shortcut, nn.BatchNorm2d(channels)])

    def forward(
        self, features: Float[Tensor, "pictures channels height width"]
    ) -> Float[Tensor, "pictures channels_out height_out width_out"]:
        """Add to its input what two convolutions make of it."""
        inner = self.prelu(self.bn2(self.conv1(self.bn1(features))))
        added: Tensor = self.bn3(self.conv2(inner)) + self.downsample(features)
        return added


class IResNet(nn.Module):
    """Pictures of 112 × 112 pixels → numbers.

    Args:
        depth: 18, 34, 50 or 100.
        outputs: How many numbers; 384 in the paper: 64 intensities and 64 × 5 ordinal logits.
        width: Channels of the first stage.
    """

    def __init__(self, depth: int, outputs: int, width: int = WIDTH) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        channels = [width * wider for wider in WIDENINGS]
        stages = [
            _stage(channels_in, channels_out, blocks)
            for channels_in, channels_out, blocks in zip(
                (width, *channels[:-1]), channels, BLOCKS[depth], strict=True
            )
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.bn2 = nn.BatchNorm2d(channels[-1])
        self.fc = nn.Linear(channels[-1] * FINAL_SIDE**2, outputs)

    def forward(
        self, pictures: Float[Tensor, "pictures 3 112 112"]
    ) -> Float[Tensor, "pictures outputs"]:
        """Evaluate RGB pictures, 0 to 1."""
        return self.concluded(self.features(pictures))

    def features(
        self, pictures: Float[Tensor, "pictures 3 112 112"]
    ) -> Float[Tensor, "pictures channels 14 14"]:
        """Evaluate all that comes before the last stage."""
        features = self.prelu(self.bn1(self.conv1(pictures)))
        found: Tensor = self.layer3(self.layer2(self.layer1(features)))
        return found

    def concluded(
        self, features: Float[Tensor, "pictures channels 14 14"]
    ) -> Float[Tensor, "pictures outputs"]:
        """Evaluate the last stage, and what comes after it."""
        numbers: Tensor = self.fc(self.bn2(self.layer4(features)).flatten(1))
        return numbers


class FeaturesHalf(IResNet):
    """Pictures → what enters the last stage."""

    def forward(
        self, pictures: Float[Tensor, "pictures 3 112 112"]
    ) -> Float[Tensor, "pictures channels 14 14"]:
        """Evaluate RGB pictures, 0 to 1."""
        return self.features(pictures)


class ConclusionHalf(IResNet):
    """What enters the last stage → numbers."""

    def forward(
        self, features: Float[Tensor, "pictures channels 14 14"]
    ) -> Float[Tensor, "pictures outputs"]:
        """Evaluate features."""
        return self.concluded(features)


def _stage(channels_in: int, channels: int, blocks: int) -> nn.Sequential:
    rest = (ResidualBlock(channels, channels, stride=1) for _ in range(blocks - 1))
    return nn.Sequential(ResidualBlock(channels_in, channels, stride=2), *rest)
