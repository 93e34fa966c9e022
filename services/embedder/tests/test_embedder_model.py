import io
import pickle

import numpy as np
import pytest
import torch
from heaters_embedder.errors import UnknownModel, UnreadableImage
from heaters_embedder.model import MODELS, EfficientNetLite0, Network, SameConv, load
from PIL import Image, ImageDraw


@pytest.fixture(scope="module")
def embedder():
    return load("efficientnet-lite0", threads=1)


def jpeg(
    draw_at: int, *, background: str = "white", shape: str = "ellipse", size: tuple[int, int] = (320, 240)
) -> bytes:
    image = Image.new("RGB", size, background)
    getattr(ImageDraw.Draw(image), shape)((draw_at, 60, draw_at + 90, 160), fill="red", outline="black", width=5)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def test_vectors_are_unit_length_finite_and_of_the_stated_dimension(embedder):
    vectors = embedder.embed([jpeg(at) for at in range(40, 140, 10)])

    assert vectors.shape == (10, 1280)
    assert vectors.dtype == np.float32
    assert embedder.dimensions == 1280
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(10), abs=1e-6)


def test_pictures_that_look_alike_are_nearer_than_others(embedder):
    here, moved, other = embedder.embed(
        [jpeg(100), jpeg(108), jpeg(60, background="navy", shape="rectangle", size=(240, 320))]
    )

    assert here @ moved > 0.8
    assert here @ other < 0.6


def test_a_vector_does_not_depend_on_the_other_pictures_of_its_batch(embedder):
    pictures = [jpeg(at) for at in (40, 60, 80, 100, 120, 140, 160, 180, 200)]

    together = embedder.embed(pictures)

    alone = np.concatenate([embedder.embed([picture]) for picture in pictures])
    assert np.abs(together - alone).max() < 1e-5


def test_no_picture_gives_no_vector(embedder):
    assert embedder.embed([]).shape == (0, 1280)


def test_folding_the_normalisations_changes_nothing():
    torch.manual_seed(3)
    network = Network().eval()
    for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.5, 2.0)
    picture = torch.rand(1, 3, 65, 96) * 2 - 1

    with torch.inference_mode():
        plain = network(picture)
        fused = network.fused()(picture)

    assert plain.shape == (1, 1280)
    assert torch.allclose(plain, fused, atol=1e-4)


@pytest.mark.parametrize(("side", "out"), [(224, 112), (225, 113), (7, 4)])
def test_an_odd_pixel_of_padding_goes_right_and_below(side, out):
    conv = SameConv(1, 1, kernel=3, stride=2)
    with torch.no_grad():
        conv.weight.fill_(1.0)

    ones = conv(torch.ones(1, 1, side, side))[0, 0]

    assert ones.shape == (out, out)
    assert ones[0, 0].item() == (9.0 if side % 2 == 0 else 4.0)
    assert ones[-1, -1].item() == 4.0


def test_a_network_has_the_296_named_values_of_the_published_weights():
    assert len(Network().state_dict()) == 296


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture at all", jpeg(50)[:700], b"\x89PNG\r\n\x1a\n" + bytes(50)],
    ids=["empty", "text", "cut", "png"],
)
def test_a_picture_that_cannot_be_read_is_named(embedder, data):
    with pytest.raises(UnreadableImage, match="picture 1 "):
        embedder.embed([jpeg(50), data])


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(embedder):
    out = io.BytesIO()
    Image.new("L", (8100, 8000)).save(out, "JPEG")

    with pytest.raises(UnreadableImage, match="8100x8000"):
        embedder.embed([out.getvalue()])


def test_an_unknown_model_is_refused_with_the_names_there_are():
    with pytest.raises(UnknownModel, match="efficientnet-lite0"):
        load("resnet", threads=1)


def test_a_model_says_its_name_and_version(embedder):
    assert embedder.model == "efficientnet-lite0@0.1.0"
    assert MODELS["efficientnet-lite0"] is EfficientNetLite0
    assert pickle.loads(pickle.dumps(load)) is load  # noqa: S301  # our own function, as a child process gets it
