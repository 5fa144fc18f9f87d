"""The registry: names, settings and plugins, and what it says when they are wrong."""

import re
from pathlib import Path

import pytest
from torch import nn

from benchmark import plugins
from benchmark.batch import Batch
from benchmark.conformance.promises import CHECKS, run_checks
from benchmark.errors import UserError
from benchmark.model import Model, Output
from benchmark.registry import (
    ModelEntry,
    create_model,
    get_evaluation,
    get_model,
    list_models,
    load_plugin,
    register_evaluation,
    register_model,
)
from benchmark.task import Dims, multiclass

GUIDE = Path(__file__).parents[2] / "docs" / "adding-a-method.md"
PLUGIN = """
from torch import nn
from benchmark import Dims, Model, Output, register_model

@register_model("{name}")
class {cls}(Model):
    def __init__(self, dims: Dims, *, hidden: int = 4):
        super().__init__()
        self.head = nn.Linear(dims.text, dims.outputs)
    def forward(self, batch):
        return Output(self.head(batch.text.mean()))
"""


pytestmark = pytest.mark.usefixtures("own_registry")


class Tiny(Model):
    def __init__(self, dims: Dims, *, hidden: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.hidden, self.dropout = hidden, dropout
        self.head = nn.Linear(dims.text, dims.outputs)

    def forward(self, batch: Batch) -> Output:
        return Output(self.head(batch.text.mean()))


def test_a_name_belongs_to_one_class() -> None:
    register_model("tiny")(Tiny)
    register_model("tiny")(Tiny)  # the same class again, after a reload

    class Other(Tiny):
        pass

    with pytest.raises(ValueError, match=r"two models want the name 'tiny': .*Tiny and .*Other"):
        register_model("tiny")(Other)
    assert get_model("tiny").cls is Tiny


def test_a_hyperparameter_may_not_bear_the_name_of_a_training_setting() -> None:
    class Clash(Tiny):
        def __init__(self, dims: Dims, *, lr: float = 0.1, epochs: int = 3) -> None:
            super().__init__(dims)

    with pytest.raises(ValueError, match=r"clash: __init__ takes epochs, lr.*rename"):
        register_model("clash")(Clash)


def test_unknown_model_names_the_nearest() -> None:
    register_model("tiny-fusion")(Tiny)
    with pytest.raises(UserError, match="unknown model 'tiny-fusoin'; did you mean 'tiny-fusion'"):
        get_model("tiny-fusoin")
    with pytest.raises(UserError, match=r"unknown model 'zzzzzzzz'; known: .*tiny-fusion"):
        get_model("zzzzzzzz")


def test_a_model_of_a_broken_file_says_why() -> None:
    plugins._broken["baselines.lost_model"] = "ImportError: no module named 'lost'"
    with pytest.raises(UserError, match=r"baselines\.lost_model fails to import: ImportError"):
        get_model("lost-model")


def test_create_model_takes_settings_of_the_constructor_only() -> None:
    register_model("tiny")(Tiny)
    task = multiclass("no", "yes")
    dims = Dims({"text": 3, "audio": 4, "vision": 5}, outputs=2, task=task)
    model = create_model("tiny", dims, hidden=3)
    assert isinstance(model, Tiny)
    assert (model.hidden, model.dropout, model.task) == (3, 0.1, task)
    with pytest.raises(UserError, match="unknown setting of tiny 'hiden'; did you mean 'hidden'"):
        create_model("tiny", dims, hiden=3)
    with pytest.raises(UserError, match="unknown setting of tiny 'lr'"):
        create_model("tiny", dims, lr=0.1)


def test_precedence_signature_defaults_overrides() -> None:
    defaults = {"mosi": {"hidden": 16, "lr": 0.01, "batch_size": 4}}
    entry = ModelEntry("tiny", Tiny, defaults=defaults)
    settings, config = entry.resolve("elsewhere")
    assert settings == {"hidden": 8, "dropout": 0.1}
    assert config.lr == type(config)().lr
    settings, config = entry.resolve("mosi")
    assert settings == {"hidden": 16, "dropout": 0.1}
    assert (config.lr, config.batch_size) == (0.01, 4)
    settings, config = entry.resolve("mosi", {"hidden": 32, "lr": 0.5})
    assert settings == {"hidden": 32, "dropout": 0.1}
    assert (config.lr, config.batch_size) == (0.5, 4)
    assert defaults == {"mosi": {"hidden": 16, "lr": 0.01, "batch_size": 4}}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"droput": 0.5}, "unknown setting of tiny 'droput'; did you mean 'dropout'"),
        ({"batchsize": 4}, "did you mean 'batch_size'"),
        ({"lr": -1}, "setting lr of tiny: .*greater than 0, got -1"),
        ({"optimizer": "adagrad"}, "setting optimizer of tiny: .*'adagrad'"),
    ],
)
def test_wrong_settings_are_one_sentence(overrides: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        ModelEntry("tiny", Tiny).resolve("mosi", overrides)


def test_every_hyperparameter_needs_a_default() -> None:
    class Required(Tiny):
        def __init__(self, dims: Dims, *, width: int) -> None:
            super().__init__(dims)

    with pytest.raises(UserError, match="required has no default for width"):
        ModelEntry("required", Required).resolve("mosi")


def test_models_are_listed_in_groups_by_name() -> None:
    register_model("zebra", kind="floor")(Tiny)
    register_model("antelope")(Tiny)
    listed = [(entry.kind, entry.name) for entry in list_models()]
    order = ["floor", "baseline", "method", "plugin"]
    assert listed == sorted(listed, key=lambda pair: (order.index(pair[0]), pair[1]))
    assert listed[-1] == ("plugin", "antelope")


def test_an_evaluation_belongs_to_one_function() -> None:
    @register_evaluation("calibration", timed=True)
    def calibration(context: object) -> dict:
        return {}

    assert get_evaluation("calibration").timed
    with pytest.raises(ValueError, match="two evaluations want the name 'calibration'"):
        register_evaluation("calibration")(lambda context: {})
    with pytest.raises(UserError, match="did you mean 'calibration'"):
        get_evaluation("calibraton")


def test_a_plugin_file_registers_its_models(tmp_path: Path) -> None:
    file = tmp_path / "visitor.py"
    file.write_text(PLUGIN.format(name="visitor", cls="Visitor"))
    assert load_plugin(file) == ["visitor"]
    entry = get_model("visitor")
    assert (entry.kind, list(entry.parameters)) == ("plugin", ["hidden"])
    assert load_plugin(str(file)) == ["visitor"]


def test_the_digest_of_a_plugin_follows_its_file(tmp_path: Path) -> None:
    file = tmp_path / "visitor.py"
    file.write_text(PLUGIN.format(name="visitor", cls="Visitor"))
    load_plugin(file)
    before = get_model("visitor").source_digest
    assert get_model("visitor").source_digest == before
    file.write_text(PLUGIN.format(name="visitor", cls="Visitor") + "\nWIDTH = 3\n")
    assert get_model("visitor").source_digest != before


def test_a_plugin_cannot_take_the_name_of_another_model(tmp_path: Path) -> None:
    register_model("tiny")(Tiny)
    file = tmp_path / "thief.py"
    file.write_text(PLUGIN.format(name="tiny", cls="Thief"))
    with pytest.raises(UserError, match="fails to import: ValueError: two models want the name"):
        load_plugin(file)
    assert get_model("tiny").cls is Tiny


def test_a_plugin_that_registers_only_an_evaluation_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "measure.py"
    file.write_text(
        "from benchmark import register_evaluation\n"
        "@register_evaluation('entropy')\n"
        "def entropy(context):\n    return {}\n"
    )
    assert load_plugin(file) == []
    assert get_evaluation("entropy").name == "entropy"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is no file; give the path of a Python file"),
        ("import nothing_of_that_name", "fails to import: ModuleNotFoundError: No module"),
        ("def broken(:", "fails to import: SyntaxError"),
        ("value = 1", "registers nothing; decorate a class"),
    ],
    ids=["missing", "import", "syntax", "empty"],
)
def test_a_wrong_plugin_is_one_sentence(tmp_path: Path, text: str | None, sentence: str) -> None:
    file = tmp_path / "wrong.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=sentence):
        load_plugin(file)


def test_the_method_of_the_guide_is_short_and_keeps_every_promise(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(blocks[0].splitlines()) <= 15
    file = tmp_path / "sum_fusion.py"
    file.write_text(blocks[0])
    assert load_plugin(file) == ["sum-fusion"]
    results = run_checks(get_model("sum-fusion"))
    assert [result for result in results if result.status != "passed"] == []


def test_the_guide_names_every_check() -> None:
    section = GUIDE.read_text().partition("## The promises")[2]
    table = re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)
    assert table == list(CHECKS)


def test_a_copy_of_a_registered_model_clashes_with_it(tmp_path: Path) -> None:
    original = Path(__file__).parents[2] / "baselines" / "late_fusion.py"
    copy = tmp_path / "late_fusion.py"
    copy.write_text(original.read_text())
    before = get_model("late-fusion").cls
    with pytest.raises(UserError, match="two models want the name 'late-fusion'"):
        load_plugin(copy)
    assert get_model("late-fusion").cls is before


def test_plugins_of_one_file_name_in_two_folders_are_two_plugins(tmp_path: Path) -> None:
    text = (
        "from benchmark import Model, register_model\n"
        "@register_model('NAME')\nclass Mine(Model):\n    pass\n"
    )
    for name in ("twin-one", "twin-two"):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "mine.py"
        file.write_text(text.replace("NAME", name))
        assert load_plugin(file) == [name]
    assert get_model("twin-one").source_digest != get_model("twin-two").source_digest


def test_a_plugin_that_fails_half_way_leaves_nothing_registered(tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(
        "from benchmark import Model, register_model\n"
        "@register_model('half-way')\nclass Mine(Model):\n    pass\nraise RuntimeError('later')\n"
    )
    with pytest.raises(UserError, match="RuntimeError: later"):
        load_plugin(file)
    with pytest.raises(UserError, match="unknown model 'half-way'"):
        get_model("half-way")
