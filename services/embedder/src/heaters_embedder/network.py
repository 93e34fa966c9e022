"""EfficientNet-lite0 in plain torch: what publishes it otherwise does not import here."""

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Network(nn.Module):
    """EfficientNet-lite0, layer by layer, with its classifier beside.

    EfficientNet-B0 (Tan and Le, 2019, arXiv:1905.11946, table 1) as the TensorFlow authors' lite variant has it: no
    squeeze-and-excitation, ReLU6 for swish, nothing scaled. Parameters are named as in the published weights.
    """

    FEATURES = 1280

    # A stage: repeats, kernel, stride of its first block, expansion, output channels.
    _STAGES = (
        (1, 3, 1, 1, 16),
        (2, 3, 2, 6, 24),
        (2, 5, 2, 6, 40),
        (3, 3, 2, 6, 80),
        (3, 5, 1, 6, 112),
        (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    )

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, 32, kernel=3, stride=2)
        self._bn0 = _norm(32)
        blocks, channels = [], 32
        for repeats, kernel, stride, expansion, out in self._STAGES:
            for repeat in range(repeats):
                blocks.append(Block(channels, out, kernel=kernel, stride=1 if repeat else stride, expansion=expansion))
                channels = out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(channels, self.FEATURES, kernel=1)
        self._bn1 = _norm(self.FEATURES)
        self._fc = nn.Linear(self.FEATURES, 1000)

    def forward(self, pictures: Tensor) -> Tensor:
        """Features of pictures: (n, 3, height, width), values -1..1, to (n, 1280)."""
        x = functional.relu6(self._bn0(self._conv_stem(pictures)), inplace=True)
        for block in self._blocks:
            x = block(x)
        x = functional.relu6(self._bn1(self._conv_head(x)), inplace=True)
        features: Tensor = x.mean(dim=(2, 3))
        return features

    def beliefs(self, features: Tensor) -> Tensor:
        """How strongly it believes in each of its 1,000 classes: (n, 1280), to (n, 1000) with rows that sum to 1."""
        shares: Tensor = functional.softmax(self._fc(features), dim=1)
        return shares

    def fused(self) -> "Network":
        """The same network with each normalisation folded into its convolution. For inference only; changes it in place."""
        for module in self.modules():
            if isinstance(module, Network | Block):
                for conv, norm in module.pairs():
                    setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
                    setattr(module, norm, nn.Identity())
        return self

    def pairs(self) -> list[tuple[str, str]]:
        """Names of its own convolutions, each with that of the normalisation after it."""
        return [("_conv_stem", "_bn0"), ("_conv_head", "_bn1")]


class Block(nn.Module):
    """An inverted residual (Sandler et al., 2018, arXiv:1801.04381): widen, filter each channel, narrow, add what came in."""

    def __init__(self, channels: int, out: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self._widens = expansion != 1
        self._adds = stride == 1 and channels == out
        if self._widens:
            self._expand_conv = SameConv(channels, wide, kernel=1)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SameConv(wide, wide, kernel=kernel, stride=stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = SameConv(wide, out, kernel=1)
        self._bn2 = _norm(out)

    def forward(self, x: Tensor) -> Tensor:
        """One block's output: as wide and high as its input, or half of it, rounded up, where the stride is 2."""
        y: Tensor = x
        if self._widens:
            y = functional.relu6(self._bn0(self._expand_conv(y)), inplace=True)
        y = functional.relu6(self._bn1(self._depthwise_conv(y)), inplace=True)
        y = self._bn2(self._project_conv(y))
        return x + y if self._adds else y

    def pairs(self) -> list[tuple[str, str]]:
        """Names of its convolutions, each with that of the normalisation after it."""
        widen = [("_expand_conv", "_bn0")] if self._widens else []
        return [*widen, ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]


class SameConv(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's "SAME" does: an odd pixel of padding goes to the right and below."""

    def __init__(self, channels: int, out: int, *, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, stride=stride, groups=groups, bias=False)
        self._uneven = stride > 1
        if not self._uneven:
            self.padding = (kernel // 2, kernel // 2)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve; an output is as large as its input, divided by the stride and rounded up."""
        if self._uneven:
            (height, width), kernel, stride = input.shape[-2:], self.kernel_size[0], self.stride[0]
            down = max((-(-height // stride) - 1) * stride + kernel - height, 0)
            right = max((-(-width // stride) - 1) * stride + kernel - width, 0)
            input = functional.pad(input, (right // 2, right - right // 2, down // 2, down - down // 2))
        return super().forward(input)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)
