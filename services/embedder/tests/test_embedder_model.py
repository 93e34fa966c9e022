import io

import numpy as np
import pytest
import torch
from heaters_embedder.core import batches, top
from heaters_embedder.errors import UnknownModel, UnreadableImage
from heaters_embedder.model import Machine, load
from heaters_embedder.network import Network, SameConv
from PIL import Image, ImageDraw


def vectors_of(embedder, jpegs):
    return embedder.see(jpegs).vectors


@pytest.fixture(scope="module")
def embedder():
    return load("efficientnet-lite0", Machine(1))


def jpeg(
    draw_at: int, *, background: str = "white", shape: str = "ellipse", size: tuple[int, int] = (320, 240)
) -> bytes:
    image = Image.new("RGB", size, background)
    getattr(ImageDraw.Draw(image), shape)((draw_at, 60, draw_at + 90, 160), fill="red", outline="black", width=5)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def test_vectors_are_unit_length_finite_and_of_the_stated_dimension(embedder):
    vectors = vectors_of(embedder, [jpeg(at) for at in range(40, 140, 10)])

    assert vectors.shape == (10, 1280)
    assert vectors.dtype == np.float32
    assert embedder.dimensions == 1280
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(10), abs=1e-6)


def test_pictures_that_look_alike_are_nearer_than_others(embedder):
    here, moved, other = vectors_of(
        embedder, [jpeg(100), jpeg(108), jpeg(60, background="navy", shape="rectangle", size=(240, 320))]
    )

    assert here @ moved > 0.8
    assert here @ other < 0.6


def test_a_vector_does_not_depend_on_the_other_pictures_of_its_batch(embedder):
    pictures = [jpeg(at) for at in (40, 60, 80, 100, 120, 140, 160, 180, 200)]

    together = vectors_of(embedder, pictures)

    alone = np.concatenate([vectors_of(embedder, [picture]) for picture in pictures])
    assert np.abs(together - alone).max() < 1e-5


def test_no_picture_gives_no_vector(embedder):
    assert vectors_of(embedder, []).shape == (0, 1280)


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
        vectors_of(embedder, [jpeg(50), data])


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(embedder):
    out = io.BytesIO()
    Image.new("L", (8100, 8000)).save(out, "JPEG")

    with pytest.raises(UnreadableImage, match="8100x8000"):
        vectors_of(embedder, [out.getvalue()])


@pytest.mark.parametrize(
    "name", ["resnet", "efficientnet-lite0:x", "transformers:", "open_clip", "", "__import__('os')", "transformers"]
)
def test_an_unknown_model_is_refused_with_the_names_there_are(name):
    with pytest.raises(UnknownModel, match="efficientnet-lite0"):
        load(name, Machine(1))


def test_a_model_says_its_name_and_version(embedder):
    assert embedder.model == "efficientnet-lite0@0.1.0"
    assert load("efficientnet-lite0@0.1.0", Machine(1)) is embedder


def test_another_version_than_was_asked_for_is_refused():
    with pytest.raises(UnknownModel, match=r"efficientnet-lite0@0\.1\.0 is"):
        load("efficientnet-lite0@9", Machine(1))


def test_it_reads_no_texts(embedder):
    assert not embedder.reads_texts
    with pytest.raises(UnknownModel, match="image-text"):
        embedder.read(["a red boat"])


def test_it_believes_in_each_of_a_thousand_labels(embedder):
    seen = embedder.see([jpeg(60), jpeg(90, shape="rectangle")])

    assert seen.beliefs.shape == (2, 1000)
    assert seen.beliefs.sum(axis=1) == pytest.approx([1, 1], abs=1e-4)
    assert len(set(embedder.labels)) == 1000
    assert (embedder.labels[0], embedder.labels[978], embedder.labels[999]) == ("tench", "seashore", "toilet tissue")


def test_the_strongest_labels_come_first_and_weak_ones_not_at_all():
    assert top(np.array([0.2, 0.05, 0.75]), ("a", "b", "c")) == (("c", 0.75), ("a", 0.2))


@pytest.mark.parametrize(
    ("sizes", "divided"),
    [([], []), ([3, 3, 3], [range(0, 2), range(2, 3)]), ([9, 1], [range(0, 1), range(1, 2)]), ([2, 2], [range(0, 2)])],
)
def test_clips_are_divided_into_batches_without_a_gap(sizes, divided):
    assert batches(sizes, most=6) == divided
