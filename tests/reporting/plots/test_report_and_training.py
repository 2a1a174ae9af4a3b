import pytest
from matplotlib.image import imread

from ser_tl.errors import ConfigError
from ser_tl.evaluation import Report
from ser_tl.reporting.plots import confusion_picture, training_curves
from tests.evaluation.samples import certain

pytestmark = pytest.mark.slow


def _epochs(count, **change):
    return [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "dev_loss": 2 / epoch,
            "dev_uar": 0.5 + epoch / 100,
            "dev_war": 0.6,
            "learning_rates": {"head": 1e-3} | ({"encoder": 1e-5} if epoch > 1 else {}),
            "best": epoch < 3,
        }
        | change
        for epoch in range(1, count + 1)
    ]


def test_the_confusion_picture_has_counts_percent_and_the_uar(drawn, tmp_path):
    report = Report.of(certain(["a", "a", "a", "b"], ["a", "a", "b", "b"], ["a", "b", "c"]), title="from $5_{ to $6")
    confusion_picture(report, tmp_path / "deep" / "c.png")
    figure = drawn[0]
    cells = [text.get_text() for text in figure.axes[0].texts]
    assert cells == ["2\n66.7 %", "1\n33.3 %", "0\n0.0 %", "0\n0.0 %", "1\n100.0 %", "0\n0.0 %", *["\N{EN DASH}"] * 3]
    assert "UAR 83.3 %" in figure.get_suptitle()
    assert "from $5_{ to $6" in figure.get_suptitle()
    assert imread(tmp_path / "deep" / "c.png").std() > 0.05  # something is on it


@pytest.mark.parametrize("classes", [4, 10])
def test_no_cell_overflows(drawn, tmp_path, classes):
    labels = [f"emotion-{index}" for index in range(classes)]
    confusion_picture(Report.of(certain(labels * 2000, labels * 2000, labels)), tmp_path / "c.png")  # 2000, 100.0 %
    axes = drawn[0].axes[0]
    cell = axes.transData.transform([(0, 0), (1, 1)])
    side = abs(cell[1] - cell[0]).min()
    assert max(text.get_window_extent().width for text in axes.texts) < side


@pytest.mark.exhaustive
def test_the_last_best_epoch_is_marked_and_late_groups_leave_a_gap(drawn, tmp_path):
    training_curves(_epochs(4), tmp_path / "t.png")
    loss, score, rate = drawn[0].axes
    assert [line.get_label() for line in loss.lines[:2]] == ["train", "dev"]
    assert score.get_title(loc="right") == "best: epoch 2, UAR 52.0 %"
    assert rate.get_yscale() == "log"
    encoder = next(line for line in rate.lines if line.get_label() == "encoder")
    assert str(encoder.get_ydata().tolist()) == "[nan, 1e-05, 1e-05, 1e-05]"
    assert (tmp_path / "t.png").stat().st_size > 10_000


@pytest.mark.exhaustive
def test_moving_parameters_have_a_panel_where_their_number_changes(drawn, tmp_path):
    history = [record | {"trainable_parameters": record["epoch"] * 1_000_000} for record in _epochs(3)]
    training_curves(history, tmp_path / "t.png")
    training_curves([record | {"trainable_parameters": 5} for record in history], tmp_path / "t.png")
    changing, constant = (figure.axes for figure in drawn)
    assert len(constant) == 3
    assert changing[3].lines[0].get_ydata().tolist() == [1.0, 2.0, 3.0]
    assert [axes.get_xlabel() for axes in changing] == ["", "", "", "epoch"]


@pytest.mark.parametrize(
    "change",
    [
        {"dev_uar": None, "learning_rates": {"a$b": 0.0, "head": 1.0}},
        *(
            pytest.param(change, marks=pytest.mark.exhaustive)
            for change in (
                {},
                {"dev_loss": None, "best": False},
                {"dev_uar": None},
                {"learning_rates": {"a$b": 0.0, "head": 1.0}},
            )
        ),
    ],
)
def test_short_and_gappy_histories_are_drawn_without_a_warning(tmp_path, change, recwarn):
    training_curves(_epochs(1, **change), tmp_path / "t.png")
    assert not recwarn.list
    assert (tmp_path / "t.png").is_file()


def test_no_epochs_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no epochs"):
        training_curves([], tmp_path / "t.png")
