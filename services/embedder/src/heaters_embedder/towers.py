"""Models of transformers and open_clip: any image-text model, and image-only ones. Both packages are extras of this service."""

import hashlib
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image

from heaters_embedder.core import Vectors, unit
from heaters_embedder.errors import UnknownModel, UnusableWeights
from heaters_embedder.model import Machine, Seen, decode

os.environ.setdefault("HF_HUB_OFFLINE", "1")
"""A model whose configuration names another one would have that fetched; read by huggingface_hub as it is imported."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_VERSION_DIGITS = 12


def folder_of(repository: str, machine: Machine) -> tuple[Path, str]:
    """Where a model lies on this machine, and its version.

    Args:
        repository: as on the hub, `owner/name`, or the name of a folder in the machine's folder of models.
        machine: names that folder.

    Returns:
        The folder; and the commit of the hub's snapshot, or a hash of the folder's weights and configuration.

    Raises:
        UnknownModel: not a repository's name.
        UnusableWeights: it is in neither place.
    """
    if not _REPOSITORY.fullmatch(repository) or ".." in repository:
        raise UnknownModel(f"{repository!r} is no repository's name")
    if machine.models_dir is not None and (folder := machine.models_dir / repository).is_dir():
        return folder, _hash_of(folder)
    hub = _imported("huggingface_hub", "transformers")
    try:
        folder = Path(hub.snapshot_download(repository, local_files_only=True))
    except (OSError, ValueError) as error:
        where = f"in {machine.models_dir} or " if machine.models_dir else ""
        raise UnusableWeights(
            f"{repository} is not {where}in the hub's cache: fetch it with `hf download {repository}`"
        ) from error
    return folder, folder.name[:_VERSION_DIGITS] if _COMMIT.fullmatch(folder.name) else _hash_of(folder)


def _hash_of(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in {".json", ".safetensors", ".bin", ".txt", ".model"} and path.is_file():
            whole.update(path.name.encode())
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:_VERSION_DIGITS]


_UNDECLARED = re.compile(r"operator torchvision::(\w+) does not exist")
_OPERATORS_MOST = 20
_declared: list[torch.library.Library] = []


def lend_torchvision_its_operators() -> None:
    """Let torchvision be imported beside a torch that its compiled part was not built for.

    The registry's torchvision is built for the torch with CUDA, and beside a CPU build its library cannot be loaded. It goes on without, but
    then describes operators that nobody has declared (`torchvision/_meta_registrations.py`), and fails. Models take pictures'
    transforms from it, which are plain Python over Pillow and torch: so the operators are declared here, and whoever calls one is told that it
    has no implementation.
    """
    if "torchvision" in sys.modules or find_spec("torchvision") is None:
        return
    for _ in range(_OPERATORS_MOST):
        try:
            import_module("torchvision")
        except RuntimeError as error:
            missing = _UNDECLARED.search(str(error))
            if missing is None:
                raise
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]
            if not _declared:
                _declared.append(torch.library.Library("torchvision", "DEF"))  # type: ignore[no-untyped-call]  # torch's own has no types
            schema = f"{missing[1]}(Tensor boxes, Tensor scores, float threshold) -> Tensor"
            _declared[0].define(schema)  # type: ignore[no-untyped-call]  # as above
        else:
            return


def _imported(module: str, extra: str) -> ModuleType:
    try:
        lend_torchvision_its_operators()
        return import_module(module)
    except (ImportError, RuntimeError) as error:
        raise UnusableWeights(
            f"models of {extra} need the package {module}, which cannot be imported here ({error}):"
            f" install heaters-embedder[{extra}]"
        ) from error


class _Tower:
    """What both kinds have in common: pictures in passes, vectors checked, one try at loading."""

    labels: tuple[str, ...] = ()
    reads_texts = False

    def __init__(self, name: str, machine: Machine) -> None:
        self.model = name
        self._machine = machine
        # A grey picture tells the dimensions, and that the weights give numbers at all.
        self.dimensions = int(unit(self._pass([Image.new("RGB", (64, 64), (128, 128, 128))])).shape[1])

    def see(self, jpegs: Sequence[bytes]) -> Seen:
        """See `Embedder.see`."""
        if not jpegs:
            return Seen(np.empty((0, self.dimensions), np.float32))
        found = []
        for start in range(0, len(jpegs), self._machine.batch):
            some = jpegs[start : start + self._machine.batch]
            found.append(self._pass([decode(start + n, jpeg) for n, jpeg in enumerate(some)]))
        return Seen(unit(np.concatenate(found)))

    def read(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.read`."""
        if not self.reads_texts:
            raise UnknownModel(
                f"{self.model} reads no texts: searching by text needs an image-text model, such as SigLIP2"
            )
        with torch.inference_mode():
            return unit(_numbers(self._texts(texts)))

    def _pass(self, images: Sequence[Image.Image]) -> Any:
        with torch.inference_mode():
            return _numbers(self._pictures(images))

    def _pictures(self, images: Sequence[Image.Image]) -> torch.Tensor:
        raise NotImplementedError

    def _texts(self, texts: Sequence[str]) -> torch.Tensor:
        raise NotImplementedError


class TransformersModel(_Tower):
    """Any model of transformers that gives features of pictures: SigLIP2, CLIP and the like with texts; DINOv2, DINOv3 without."""

    def __init__(self, repository: str, machine: Machine) -> None:
        library = _imported("transformers", "transformers")
        folder, version = folder_of(repository, machine)
        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        try:
            model = library.AutoModel.from_pretrained(folder, use_safetensors=True, dtype=machine.dtype, **local)
            self._processor = library.AutoImageProcessor.from_pretrained(folder, use_fast=False, **local)
            self.reads_texts = hasattr(model, "get_text_features")
            self._tokenizer = library.AutoTokenizer.from_pretrained(folder, **local) if self.reads_texts else None
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise UnusableWeights(f"{repository} cannot be loaded by transformers: {error}") from error
        self._model = model.eval().to(machine.device)
        super().__init__(f"transformers:{repository}@{version}", machine)

    def _pictures(self, images: Sequence[Image.Image]) -> torch.Tensor:
        inputs = self._processor(images=list(images), return_tensors="pt")
        inputs = {
            name: value.to(self._machine.device, self._machine.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }
        if hasattr(self._model, "get_image_features"):
            return _features(self._model.get_image_features(**inputs))
        return _features(self._model(**inputs))

    def _texts(self, texts: Sequence[str]) -> torch.Tensor:
        if self._tokenizer is None:
            raise UnknownModel(f"{self.model} has no tokenizer")
        config = getattr(self._model.config, "text_config", self._model.config)
        longest = int(getattr(config, "max_position_embeddings", 64))
        # SigLIP was trained on texts padded to their full length, and knows no mask.
        padding = "max_length" if "siglip" in str(self._model.config.model_type) else "longest"
        inputs = self._tokenizer(
            list(texts), padding=padding, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self._machine.device)
        return _features(self._model.get_text_features(**inputs))


class OpenClipModel(_Tower):
    """Any model of open_clip: PE-Core, MobileCLIP2 and the like."""

    reads_texts = True

    def __init__(self, repository: str, machine: Machine) -> None:
        library = _imported("open_clip", "open-clip")
        folder, version = folder_of(repository, machine)
        try:
            model, self._prepare = library.create_model_from_pretrained(f"local-dir:{folder}", device="cpu")
            self._tokenize = library.get_tokenizer(f"local-dir:{folder}")
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise UnusableWeights(f"{repository} cannot be loaded by open_clip: {error}") from error
        self._model = model.eval().to(machine.device, machine.dtype)
        super().__init__(f"open_clip:{repository}@{version}", machine)

    def _pictures(self, images: Sequence[Image.Image]) -> torch.Tensor:
        batch = torch.stack([self._prepare(image) for image in images])
        features: torch.Tensor = self._model.encode_image(batch.to(self._machine.device, self._machine.dtype))
        return features

    def _texts(self, texts: Sequence[str]) -> torch.Tensor:
        features: torch.Tensor = self._model.encode_text(self._tokenize(list(texts)).to(self._machine.device))
        return features


def _features(output: Any) -> torch.Tensor:
    """The features in what a model of transformers answers: a tensor, or an object that has them pooled, or else the class token."""
    if isinstance(output, torch.Tensor):
        return output
    pooled = getattr(output, "pooler_output", None)
    if pooled is None:
        pooled = output.last_hidden_state[:, 0]
    features: torch.Tensor = pooled
    return features


def _numbers(features: torch.Tensor) -> Any:
    return features.float().cpu().numpy()
