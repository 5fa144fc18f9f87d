"""What text a model reads without a pretrained encoder, and how it is fine-tuned with one."""

from dataclasses import replace

import pytest
import torch

from baselines.layers.text import FINE_TUNING, TextEncoder
from benchmark.config import PROTOCOLS
from benchmark.conformance.promises import CHECKS
from benchmark.conformance.tiny_data import tiny_batch, tiny_dims
from benchmark.model import Model
from benchmark.registry import ModelEntry, get_model, list_models
from benchmark.settings import RECIPE, RECIPES
from benchmark.task import Dims
from benchmark.training.predict import predict_batch

ENTRIES = [entry for entry in list_models() if "text_encoder" in entry.parameters]
NAMES = [entry.name for entry in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_auto_reads_features_and_without_any_the_tokens(entry: ModelEntry) -> None:
    dims = tiny_dims(entry.cls)
    assert dims.text
    assert dims.vocabulary
    torch.manual_seed(0)
    model = entry.cls(dims, **entry.smoke)
    assert model.text_input == "features"
    batch, other = tiny_batch(dims), tiny_batch(dims, seed=1)
    other_words = replace(batch, token_ids=other.token_ids, token_words=other.token_words)
    assert torch.equal(predict_batch(model, batch), predict_batch(model, other_words))
    words_only = replace(dims, widths={**dims.widths, "text": 0})
    assert entry.cls(words_only, **entry.smoke).text_input == "tokens"


def test_a_model_may_say_by_itself_which_text_it_reads() -> None:
    class Declares(Model):
        text_input = "tokens"

    class Sets(Model):
        def __init__(self, dims: Dims, text_input: str):
            super().__init__()
            self.text_input = text_input
            self.encoder = TextEncoder(dims, "scratch")

    dims = Dims({"text": 7, "audio": 5, "vision": 9}, vocabulary=20)
    assert (Declares.text_input, Declares().text_input) == ("tokens", "tokens")
    assert (Model.text_input, Model().text_input, Sets.text_input) == ("features",) * 3
    for said in ("features", "tokens"):
        assert Sets(dims, said).text_input == said


@pytest.mark.parametrize("promise", ["padding", "neighbours", "missing", "gradients", "capture"])
@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_promises_hold_on_features_too(entry: ModelEntry, promise: str) -> None:
    on_features = replace(entry, smoke={**entry.smoke, "text_encoder": "features"})
    CHECKS[promise](on_features)


@pytest.mark.parametrize("entry", ENTRIES, ids=NAMES)
def test_every_reader_of_tokens_has_a_fine_tuning_recipe(entry: ModelEntry) -> None:
    pretrained = {"text_encoder": "some-encoder"}
    _, config = entry.resolve("elsewhere", pretrained)
    assert (config.schedule, config.warmup, config.patience) == ("linear", 0.1, 0)
    assert config.epochs <= PROTOCOLS["quick"].max_epochs
    assert entry.recipe("elsewhere", pretrained) == FINE_TUNING[RECIPE]


def test_fine_tuning_for_mosi_std_was_chosen_on_validation() -> None:
    for name, epochs in (("text-only", 6), ("mag-bert", 10), ("self-mm", 6)):
        entry = get_model(name)
        _, config = entry.resolve("mosi_std", {"text_encoder": "some-encoder"})
        assert (config.epochs, config.encoder_lr, config.batch_size) == (epochs, 5e-5, 32)
        assert entry.recipe("mosi_std", {"text_encoder": "x"}).startswith("chosen on validation")


@pytest.mark.parametrize("entry", list_models(), ids=[entry.name for entry in list_models()])
def test_declared_settings_state_their_recipe(entry: ModelEntry) -> None:
    for declared in (entry.defaults, entry.fine_tuning):
        for dataset, values in declared.items():
            assert RECIPE in values, f"{entry.name} says nothing of its settings for {dataset!r}"
            assert values[RECIPE].startswith(RECIPES)
    if entry.kind == "baseline":
        assert entry.defaults


def test_the_floor_of_word_vectors_reads_no_token() -> None:
    entry = get_model("text-only-features")
    assert "text_encoder" not in entry.parameters
    model = entry.cls(tiny_dims(entry.cls))
    assert model.text_input == "features"
    assert model.pooling == "lstm"
