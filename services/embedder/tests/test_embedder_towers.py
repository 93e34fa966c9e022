"""Models by name, with tiny ones of random weights that are made on the spot: no package ships real ones."""

import base64
import io
import json
import shutil
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from heaters_contracts.asking import EmbedQuestion
from heaters_embedder.core import unpack
from heaters_embedder.errors import UnknownModel, UnusableWeights
from heaters_embedder.model import Machine, load
from heaters_embedder.pictures import Spot, answer, embed_clips
from heaters_embedder.towers import lend_torchvision_its_operators
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipModel,
)

TINY = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = [
    "<|startoftext|>",
    "<|endoftext|>",
    *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz"),
    *"abcdefghijklmnopqrstuvwxyz",
]


def jpeg(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (90, 60), colour).save(out, "JPEG")
    return out.getvalue()


def tokenizer(folder) -> CLIPTokenizer:
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    vocab.write_text(json.dumps({word: n for n, word in enumerate(WORDS)}))
    merges.write_text("#version: 0.2\n")
    return CLIPTokenizer(str(vocab), str(merges), unk_token="<|endoftext|>")


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(7)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    text = {
        **TINY,
        "vocab_size": len(WORDS),
        "max_position_embeddings": 16,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    }
    vision = {**TINY, "image_size": 32, "patch_size": 8}
    tiny = {
        "tiny/clip": CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)),
        "tiny/siglip": SiglipModel(SiglipConfig(text_config=text, vision_config=vision)),
        "dino": Dinov2Model(Dinov2Config(**TINY, image_size=32, patch_size=8)),
    }
    for name, model in tiny.items():
        model.save_pretrained(folder / name)
        processor.save_pretrained(folder / name)
        if name != "dino":
            tokenizer(folder / name).save_pretrained(folder / name)
    return folder


@pytest.fixture(scope="module")
def machine(models_dir):
    return Machine(1, models_dir)


@pytest.mark.parametrize(
    ("name", "dimensions", "reads"), [("tiny/clip", 24, True), ("tiny/siglip", 16, True), ("dino", 16, False)]
)
def test_a_model_of_a_folder_gives_unit_vectors_of_its_own_dimensions(machine, name, dimensions, reads):
    model = load(f"transformers:{name}", machine)

    seen = model.see([jpeg("red"), jpeg("navy"), jpeg("red")])

    assert seen.vectors.shape == (3, dimensions) == (3, model.dimensions)
    assert np.linalg.norm(seen.vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert np.abs(seen.vectors[0] - seen.vectors[2]).max() < 1e-5
    assert np.abs(seen.vectors[0] - seen.vectors[1]).max() > 1e-3
    assert model.reads_texts is reads
    assert (seen.beliefs, model.labels) == (None, ())


@pytest.mark.parametrize("name", ["tiny/clip", "tiny/siglip"])
def test_an_image_text_model_reads_texts_into_the_same_space(machine, name):
    model = load(f"transformers:{name}", machine)

    vectors = model.read(["a red boat", "fog", "fog"])

    assert vectors.shape == (3, model.dimensions)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert np.abs(vectors[1] - vectors[2]).max() < 1e-5


def test_a_text_does_not_depend_on_the_others_beside_it(machine):
    model = load("transformers:tiny/clip", machine)

    together = model.read(["fog", "a very long text about boats"])

    assert np.abs(together[0] - model.read(["fog"])[0]).max() < 1e-5


def test_an_image_only_model_says_that_it_reads_no_texts(machine):
    with pytest.raises(UnknownModel, match="image-text model, such as SigLIP2"):
        load("transformers:dino", machine).read(["fog"])


def test_the_version_follows_the_weights(machine, models_dir, tmp_path):
    first = load("transformers:dino", machine).model
    torch.manual_seed(8)
    other = tmp_path / "dino"
    Dinov2Model(Dinov2Config(**TINY, image_size=32, patch_size=8)).save_pretrained(other)
    CLIPImageProcessor.from_pretrained(models_dir / "dino").save_pretrained(other)

    second = load("transformers:dino", Machine(1, tmp_path)).model

    assert first.startswith("transformers:dino@")
    assert second.startswith("transformers:dino@")
    assert first != second


def test_what_is_on_no_disk_is_refused_with_the_way_to_fetch_it(machine, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(UnusableWeights, match="hf download nobody/nothing"):
        load("transformers:nobody/nothing", machine)


@pytest.mark.parametrize("name", ["../etc", "a/../b", "/etc", "a/b/c", "a b", "..", "a/.."])
def test_a_name_that_leads_elsewhere_is_refused(machine, name):
    with pytest.raises(UnknownModel):
        load(f"transformers:{name}", machine)


def test_weights_that_cannot_be_loaded_are_told(machine, models_dir):
    broken = models_dir / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")

    with pytest.raises(UnusableWeights, match="broken cannot be loaded"):
        load("transformers:broken", machine)


def test_open_clip_without_its_package_says_what_to_install(machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)

    with pytest.raises(UnusableWeights, match=r"heaters-embedder\[open-clip\]"):
        load("open_clip:tiny/absent", machine)


@pytest.fixture(scope="module")
def open_clip(models_dir):
    """The package, and a tiny model of it as the hub has them."""
    lend_torchvision_its_operators()
    try:
        package = import_module("open_clip")
    except ImportError as problem:
        pytest.skip(f"heaters-embedder[open-clip] is not installed: {problem}")
    layers = {"layers": 2, "width": 16}
    model = {
        "embed_dim": 24,
        "vision_cfg": {**layers, "image_size": 32, "head_width": 8, "patch_size": 8},
        "text_cfg": {**layers, "context_length": 16, "vocab_size": 49408, "heads": 2},
    }
    grey = [0.5, 0.5, 0.5]
    pictures = {"mean": grey, "std": grey, "interpolation": "bicubic", "resize_mode": "shortest", "size": [32, 32]}
    folder = models_dir / "tiny/open"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model, "preprocess_cfg": pictures}))
    torch.manual_seed(7)
    weights = {name: value.contiguous() for name, value in package.CLIP(**model).state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return package


def test_a_model_of_open_clip_sees_pictures_and_reads_texts_into_one_space(machine, open_clip):
    model = load("open_clip:tiny/open", machine)

    seen, read = model.see([jpeg("red"), jpeg("navy"), jpeg("red")]).vectors, model.read(["a red boat", "fog", "fog"])

    assert model.model.startswith("open_clip:tiny/open@")
    assert seen.shape == read.shape == (3, 24) == (3, model.dimensions)
    for vectors in (seen, read):
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert np.abs(seen[0] - seen[2]).max() < 1e-5
    assert np.abs(seen[0] - seen[1]).max() > 1e-3
    assert np.abs(read[1] - read[2]).max() < 1e-5
    assert np.abs(read[0] - read[1]).max() > 1e-3


def test_pictures_are_prepared_as_the_models_configuration_says(machine, open_clip, models_dir):
    other = models_dir / "tiny/darker"
    shutil.copytree(models_dir / "tiny/open", other)
    config = json.loads((other / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["mean"] = [0.1, 0.1, 0.1]
    (other / "open_clip_config.json").write_text(json.dumps(config))

    one, two = (load(f"open_clip:tiny/{name}", machine) for name in ("open", "darker"))

    assert one.model.rpartition("@")[2] != two.model.rpartition("@")[2]
    assert np.abs(one.see([jpeg("red")]).vectors - two.see([jpeg("red")]).vectors).max() > 1e-3


def test_a_folder_that_is_no_model_of_open_clip_is_told(machine, open_clip):
    with pytest.raises(UnusableWeights, match="tiny/clip cannot be loaded by open_clip"):
        load("open_clip:tiny/clip", machine)


def test_clips_go_through_a_model_together_and_come_out_each_as_alone(machine, models_dir):
    spot = Spot(1, models_dir)
    red, navy, green = jpeg("red"), jpeg("navy"), jpeg("green")

    one, two = embed_clips([[red, navy], [green]], "transformers:tiny/clip", spot)

    [alone] = embed_clips([[red, navy]], "transformers:tiny/clip", spot)
    assert np.abs(unpack(one.vector, 24) - unpack(alone.vector, 24)).max() < 1e-3
    assert (len(one.frame_vectors), len(two.frame_vectors)) == (2 * 24 * 2, 24 * 2)


def test_questions_are_answered_or_told_why_not(models_dir):
    spot = Spot(1, models_dir)
    picture = base64.b64encode(jpeg("red")).decode()

    both = answer(EmbedQuestion(model="transformers:tiny/clip", texts=("fog",), pictures=(picture,)), spot)
    described = answer(EmbedQuestion(model="transformers:dino"), spot)
    deaf = answer(EmbedQuestion(model="transformers:dino", texts=("fog",)), spot)
    garbled = answer(EmbedQuestion(model="transformers:dino", pictures=("!",)), spot)

    assert (len(both.vectors), both.dimensions, both.reads_texts, both.problem) == (2, 24, True, None)
    assert (described.vectors, described.dimensions, described.reads_texts) == ((), 16, False)
    assert deaf.problem is not None
    assert "image-text" in deaf.problem
    assert garbled.problem is not None
