"""Pictures of comparisons, unfreezing, travel, embeddings, layers and recordings: what is on them."""

import io

import numpy as np
import pytest

from ser_tl.comparison import Comparison
from ser_tl.errors import ConfigError
from ser_tl.evaluation import Embeddings
from ser_tl.reporting import plots
from ser_tl.reporting.plots.canvas import marks
from tests.combinations import with_default
from tests.comparison.test_comparison import report

pytestmark = pytest.mark.slow


def names(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_cost_is_on_a_log_axis_and_a_missing_one_leaves_the_system_out(drawn):
    facts = {"trainable_parameters": 1000, "training_seconds": 60.0}
    reports = {"a": report(0.8, seed=1, facts=facts), "b$": report(0.5, facts=facts | {"trainable_parameters": 10**6})}
    reports["fixed"] = report(0.4, facts={"trainable_parameters": 0, "training_seconds": 5.0})
    plots.cost_picture(Comparison.of(reports), io.BytesIO())
    moving, minutes = drawn[0].axes
    assert moving.get_xscale() == minutes.get_xscale() == "log"
    assert {line.get_label() for line in moving.lines if line.get_label()[0] != "_"} == {"a", "b$"}
    assert names(minutes) == ["a", "b$", "fixed"]
    assert "minutes" in minutes.get_xlabel()


@pytest.mark.exhaustive
def test_confusions_stand_side_by_side_and_seeds_are_added_up(drawn):
    reports = {
        "one": report(0.8),
        "several": [report(0.5), report(0.5)],
        **{f"more {n}": report(0.5) for n in range(2)},
    }
    plots.confusions_picture(reports, io.BytesIO())
    shown = [axes for axes in drawn[0].axes if axes.get_visible()]
    assert [axes.get_title().partition(":")[0] for axes in shown] == list(reports)
    cells = [text.get_text() for text in shown[1].texts]
    assert cells == [text.get_text() for text in shown[2].texts]  # the same seed twice: the same shares
    assert shown[0].get_ylabel() == shown[3].get_ylabel() == "reference"


def epochs(blocks, **more):
    return [
        {"epoch": number + 1, "moving_blocks": own, "trainable_parameters": 1000 * len(own)} | more
        for number, own in enumerate(blocks)
    ]


def test_unfreezing_shows_who_moves_when_input_side_at_the_bottom(drawn):
    history = epochs([[], ["layer 2"], ["layer 1", "layer 2"]])
    plots.unfreezing_picture(history, io.BytesIO(), blocks=["front end", "layer 1", "layer 2"])
    grid, total = drawn[0].axes
    assert [text.get_text() for text in grid.get_yticklabels()] == ["front end", "layer 1", "layer 2"]
    moving = ~np.ma.getmaskarray(grid.collections[0].get_array())
    assert moving.tolist() == [[False] * 3, [False, False, True], [False, True, True]]
    assert total.lines[0].get_ydata() == pytest.approx([0, 0.001, 0.002])


@pytest.mark.exhaustive
def test_unfreezing_is_coloured_by_rate_where_blocks_have_their_own(drawn):
    rates = {"learning_rates": {"layer 1": 1e-5, "layer 2": 1e-4}}
    plots.unfreezing_picture(epochs([["layer 2"], ["layer 1", "layer 2"]], **rates), io.BytesIO())
    assert "learning rate" in {axes.get_ylabel() for axes in drawn[0].axes}
    assert drawn[0].axes[0].collections[0].get_array().tolist() == [[None, 1e-5], [1e-4, 1e-4]]


def test_histories_without_moving_blocks_are_refused():
    with pytest.raises(ConfigError, match="moving_blocks"):
        plots.unfreezing_picture([{"epoch": 1}], io.BytesIO())


def test_travel_draws_one_training_or_several(drawn):
    one = {"front end": 0.0, "layer 1": 0.02}
    plots.plot_weight_change(one, io.BytesIO())
    plots.plot_weight_change({"full": one, "partial": {"layer 1": 0.01}}, io.BytesIO())
    single, several = (figure.axes[0] for figure in drawn)
    assert [bar.get_width() for bar in single.patches] == [0.0, 2.0]
    assert single.get_legend() is None
    assert names(several) == ["full", "partial"]
    with pytest.raises(ConfigError, match="no distances"):
        plots.plot_weight_change({}, io.BytesIO())


def cloud(count=12, speakers=3, seed=0):
    values = np.random.default_rng(seed).normal(size=(count, 6))
    ids = [f"{seed}-{row}" for row in range(count)]
    return Embeddings(values, ids, ["anger", "joy"] * (count // 2), [f"s{row % speakers}" for row in range(count)])


@pytest.mark.exhaustive
def test_embeddings_are_drawn_by_emotion_and_by_speaker(drawn):
    plots.embeddings_picture({"mfcc": cloud(), "many": cloud(60, 30)}, io.BytesIO())
    left, right, _, many = drawn[0].axes
    assert (names(left), names(right)) == (["anger", "joy"], ["s0", "s1", "s2"])
    assert sum(len(points.get_offsets()) for points in right.collections) == 12
    assert many.get_legend() is None
    assert [text.get_text() for text in many.texts] == ["30 speakers"]


@pytest.mark.exhaustive
def test_domains_are_drawn_with_their_discrepancy(drawn):
    far = cloud(seed=1)
    far = Embeddings(far.values + 9, far.ids, far.emotions, far.speakers)
    stages = {"before": (cloud(), far), "after": (cloud(), cloud(seed=1))}
    plots.domains_picture(stages, io.BytesIO(), domains=("acted", "natural"))
    before, _, after, _ = drawn[0].axes
    assert names(before) == ["acted", "natural"]
    apart = [float(axes.get_title().rpartition(" ")[2]) for axes in (before, after)]
    assert apart[0] > 0.5 > abs(apart[1])


def test_layers_are_a_line_and_a_single_layer_a_dashed_one(drawn):
    scores = {"deep": {"layer 1": report(0.5), "layer 2": report(0.7)}, "mfcc": {"mfcc": report(0.4)}}
    plots.layers_picture(scores, io.BytesIO())
    axes = drawn[0].axes[0]
    line, dashed = axes.lines
    assert line.get_ydata() == pytest.approx([100 * own.uar for own in scores["deep"].values()])
    assert dashed.get_linestyle() == "--"
    assert [text.get_text() for text in axes.texts] == ["layer 1", "layer 2"]


@pytest.mark.parametrize("seconds", with_default([0.01, 2.0, 400.0], [2.0]))
def test_the_panels_of_a_recording_share_the_time_axis(drawn, seconds):
    samples = max(int(16000 * seconds), 1)
    tone = 0.4 * np.sin(2 * np.pi * 1000 * np.arange(samples) / 16000).astype(np.float32)
    frames = np.arange(0, seconds, max(seconds / 20, 0.005))
    attention = [(frames, np.full(len(frames), 1 / len(frames)))]
    plots.recording_picture(tone, 16000, {"anger": 0.75, "joy": 0.25}, io.BytesIO(), attention=attention)
    wave, spectrum, weights, *_, bars = drawn[0].axes  # the colour bar stands between
    assert {axes.get_xlim() for axes in (wave, spectrum, weights)} == {(0.0, samples / 16000)}
    boxes = [axes.get_position() for axes in (wave, spectrum, weights)]
    assert {round(box.x0, 6) for box in boxes} == {round(boxes[0].x0, 6)}
    assert {round(box.x1, 6) for box in boxes} == {round(boxes[0].x1, 6)}
    image = spectrum.images[0]
    if seconds > 1:
        loudest = int(np.asarray(image.get_array()).mean(axis=1).argmax())
        low, high = image.get_extent()[2:]
        assert low + (loudest + 0.5) * (high - low) / image.get_array().shape[0] == pytest.approx(1000, abs=40)
    assert weights.patches[0].get_data().values == pytest.approx(np.ones(len(frames)))
    assert [bar.get_width() for bar in bars.patches] == [75.0, 25.0]


@pytest.mark.exhaustive
def test_without_attention_its_panel_is_left_out(drawn):
    plots.recording_picture(np.full(8000, 0.1, np.float32), 16000, {"a": 1.0}, io.BytesIO())
    assert not any("attention" in axes.get_ylabel() for axes in drawn[0].axes)


def test_a_hundred_names_look_different():
    looks = {(str(look["color"]), look["marker"]) for look in marks([str(number) for number in range(100)]).values()}
    assert len(looks) == 100
