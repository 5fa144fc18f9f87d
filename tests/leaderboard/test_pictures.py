"""What plots show: titles, units, class names, readable ticks and labels, stable colours."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from benchmark.metrics import evaluate_metrics
from benchmark.records.store import find_records, write_record
from benchmark.registry import list_models
from benchmark.task import multiclass, regression
from leaderboard.build import build_tables
from leaderboard.names import CORRUPTIONS, corruption_axis
from leaderboard.numbers import human
from leaderboard.plots.draw import plots
from leaderboard.plots.figures import FONTS
from leaderboard.plots.labels import tick_values
from leaderboard.plots.legends import LETTERS, legend_label
from leaderboard.plots.styles import COLOURS, KNOWN, fill, make_styles
from leaderboard.table import Table
from robustness.corruptions import CORRUPTIONS as GRADED
from tests.table_records import build, cost_record, measured, score_record

EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprised and delighted")
HOSTILE = "_my$x$\nmodel|<b>"


def draw(table: Table) -> Iterator[tuple[str, Figure]]:
    """All plots of a table, drawn."""
    with mpl.rc_context(FONTS):
        for name, plot in plots().items():
            drawn = plot(table, make_styles([table]))
            if drawn is not None:
                drawn[0].draw_without_rendering()
                yield name, drawn[0]


def picture(table: Table, name: str) -> Figure:
    return dict(draw(table))[name]


def overlapping(boxes: list[Bbox]) -> bool:
    return any(Bbox.intersection(one, other) is not None for one, other in combinations(boxes, 2))


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Two models of a task with seven classes; one has a hostile name."""
    folder = tmp_path_factory.mktemp("classes")
    task, generator = multiclass(*EMOTIONS), np.random.default_rng(0)
    label = generator.integers(0, 7, 70)
    for name, display in (("tfn", ""), ("own", HOSTILE)):
        prediction = generator.normal(size=(70, 7))
        metrics = evaluate_metrics(task, label=label, prediction=prediction)
        record = score_record(name, dataset="iemocap")
        record = measured(record, accuracy={"valid": metrics, "test": metrics})
        update = {"task": task.to_dict(), "display": display}
        arrays = {"test_label": label, "test_prediction": prediction}
        write_record(folder, record.model_copy(update=update), arrays)
        write_record(folder, cost_record(name, dataset="iemocap"), {})
    (table,) = build_tables(find_records(folder), names="paper")
    return table


def test_every_plot_names_dataset_and_protocol(classes: Table) -> None:
    titles = {name: figure.get_suptitle() for name, figure in draw(classes)}
    assert set(titles) == set(plots())
    assert set(titles.values()) == {"iemocap, protocol quick"}
    earlier = build(score_record(harness="2.ab12cd", dataset="x@folds"))
    text = picture(earlier, "training-curves").get_suptitle().replace("\n", " ")
    assert text == "x, one fold of a cross-validation, protocol quick, as of harness 2.ab12cd"


def test_titles_and_units_of_corruptions_are_those_of_the_corruptions() -> None:
    graded = {name: entry for name, entry in GRADED.items() if entry.graded}
    assert set(CORRUPTIONS) == set(graded)
    for name, (title, head, unit) in CORRUPTIONS.items():
        assert unit == graded[name].unit.replace("standard deviations", "deviations")
        named = [modality for modality in ("text", "audio", "vision") if modality in title]
        if ":" in name:
            assert tuple(named) == graded[name].modalities
            assert head.endswith(named[0])
    assert len({title for title, _, _ in CORRUPTIONS.values()}) == len(CORRUPTIONS)


def test_robustness_curves_say_what_a_level_is() -> None:
    noise, mixed = picture(build(score_record()), "robustness-curves").axes[:2]
    assert noise.get_title() == "Gaussian noise on audio and vision"
    assert noise.get_xlabel() == "level: noise of 2 training deviations"
    assert mixed.get_xlabel() == "level of each part"
    assert corruption_axis("plugin.fog") == "level"


def test_the_confusion_matrix_names_the_classes(classes: Table) -> None:
    figure = picture(classes, "confusion")
    first = figure.axes[0]
    names = [label.get_text() for label in first.get_xticklabels()]
    assert names == [*EMOTIONS[:6], "surprised and d…"]
    assert [label.get_text() for label in first.get_yticklabels()] == names
    boxes = [label.get_window_extent() for label in first.get_xticklabels()]
    assert not overlapping(boxes)
    assert all(box.y0 > 0 and box.x0 > 0 for box in boxes)


def test_the_confusion_of_a_scale_says_what_it_counts_from(tmp_path: Path) -> None:
    label = np.linspace(1, 5, 20)
    record = score_record().model_copy(update={"task": regression(1, 5).to_dict()})
    write_record(tmp_path, record, {"test_label": label, "test_prediction": label})
    (table,) = build_tables(find_records(tmp_path))
    texts = [text.get_text() for text in picture(table, "confusion").texts]
    assert "true class (label - 3)" in texts
    assert "predicted class (label - 3)" in texts


@pytest.mark.parametrize("most", [2.04, 2.6, 9.0, 900.0, 4e5])
def test_ticks_do_not_collide(most: float) -> None:
    factors = {"tfn": 2.0, "lmf": (2 + most) / 2, "mult": most}
    records = [score_record(name) for name in factors]
    table = build(*records, *(cost_record(name, factor) for name, factor in factors.items()))
    for axis in picture(table, "score-against-cost").axes[:2]:
        low, high = axis.get_xlim()
        shown = [
            label
            for label, place in zip(axis.get_xticklabels(), axis.get_xticks(), strict=True)
            if low <= place <= high and label.get_text()
        ]
        assert len(shown) >= 2
        assert len({label.get_text() for label in shown}) == len(shown)
        assert not overlapping([label.get_window_extent() for label in shown])


def test_ticks_are_round() -> None:
    assert tick_values(0.95, 1.35, 150, human) == [1.0, 1.1, 1.2, 1.3]
    assert tick_values(0.02, 400, 150, human)[:2] == [0.1, 1.0]


def test_names_of_the_front_lie_beside_points_and_error_bars() -> None:
    scores, records = {"tfn": (0.8, 1.0), "lmf": (0.6, 4.0), "mult": (0.5, 16.0)}, []
    for name, (mae, factor) in scores.items():
        records += [score_record(name, i, metrics={"mae": mae + 0.05 * i}) for i in range(3)]
        records.append(cost_record(name, factor))
    figure = picture(build(*records), "score-against-cost")
    axis = figure.axes[0]
    names = [text for text in axis.texts if text.get_text()]
    assert {name.get_text() for name in names} == set(scores)
    boxes = [name.get_window_extent() for name in names]
    bars = [
        axis.transData.transform_path(path).get_extents()
        for bar in axis.collections
        for path in bar.get_paths()
    ]
    assert len(bars) == 3
    assert not overlapping(boxes)
    for bar in bars:
        beside = [not box.x0 < bar.x0 < box.x1 for box in boxes]
        apart = [box.y0 > bar.y1 or box.y1 < bar.y0 for box in boxes]
        assert all(one or other for one, other in zip(beside, apart, strict=True))


def styled(*names: str) -> dict:
    return make_styles([build(*map(score_record, names))])


def test_a_model_has_the_same_looks_in_every_run() -> None:
    names = [entry.name for entry in list_models() if entry.name != "prior"]
    crowd = styled(*names, "mine", "yours")
    for pair in (("tfn", "lmf"), ("mag-bert", "tfn", "a-plugin"), ("cenet", "zz")):
        few = styled(*pair)
        assert all(few[name] == crowd[name] for name in pair if name in crowd)
    assert styled("mine", "tfn")["mine"].colour == crowd["mine"].colour
    assert len({(style.colour, style.dash) for style in crowd.values()}) == len(crowd)
    assert len({(style.colour, style.marker) for style in crowd.values()}) == len(crowd)
    assert len({styled(name)[name].colour for name in KNOWN[: len(COLOURS)]}) == len(COLOURS)


def test_every_published_model_has_looks_of_its_own() -> None:
    assert set(KNOWN) == {entry.name for entry in list_models() if entry.name != "prior"}


def test_rows_of_one_model_share_its_colour_and_differ_otherwise() -> None:
    rows = [score_record(config={"lr": 0.1 * n}) for n in range(1, 10)]
    table = build(*rows, score_record("mfn"))
    styles = make_styles([table])
    own = [style for label, style in styles.items() if label.startswith("tfn")]
    assert {style.colour for style in own} == {styled("tfn")["tfn"].colour}
    assert len({(style.dash, style.marker) for style in own}) == 9
    assert len({fill(style)["hatch"] for style in own}) == 9
    assert styles["mfn"] == styled("mfn")["mfn"]


def test_more_rows_of_a_model_than_looks_take_the_next_colour() -> None:
    table = build(*(score_record(config={"lr": 0.1 * n}) for n in range(1, 13)))
    styles = make_styles([table]).values()
    assert len({(style.colour, style.dash, style.marker) for style in styles}) == 12


def test_long_labels_leave_room_for_the_axes() -> None:
    settings = [{"text_encoder": "a-local-encoder", "gate_dropout": 0.1 * n} for n in range(12)]
    records = [
        score_record(seed=seed, settings=one).model_copy(update={"changed": one})
        for one in settings
        for seed in range(2)
    ]
    table = build(*records, *(cost_record(settings=one) for one in settings))
    for name, figure in draw(table):
        page = figure.bbox
        box = figure.legends[0].get_window_extent()
        assert box.x0 >= 0, name
        assert box.y0 >= 0, name
        assert box.x1 <= page.x1 + 1, name
        for axis in figure.axes:
            frame = axis.get_window_extent()
            assert frame.width > 1.5 * figure.dpi, name
            assert not frame.overlaps(box), name
    lines = legend_label("tfn (mmsa, gate_dropout=0.1, text_encoder=a-local-encoder)").splitlines()
    assert 1 < len(lines) <= 3
    assert max(map(len, lines)) <= LETTERS


def test_a_hostile_name_is_drawn_as_it_is(classes: Table) -> None:
    for name, figure in draw(classes):
        texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
        texts += [axis.get_title() for axis in figure.axes]
        assert any("_my$x$ model|<b>" in text for text in texts), name
