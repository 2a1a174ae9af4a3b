"""`ser-tl export`, and `model.export`."""

import pytest

from ser_tl import cli
from ser_tl.cli.arguments import parser
from ser_tl.cli.predict_arguments import plain_parser
from ser_tl.export import EXPORTERS
from ser_tl.inference import Predictor
from ser_tl.inference.manifest import read_manifest
from tests.encoders.tiny import clip
from tests.export.samples import sample_model

pytestmark = pytest.mark.slow


def test_the_command_exports_and_prints_what_was_measured(recorded, tmp_path, capsys):
    sample_model().save_pretrained(tmp_path / "model")
    command = ["export", str(tmp_path / "model"), "--output", str(tmp_path / "out"), "--weights", "float16"]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "| alone |" in printed
    assert f"{tmp_path / 'out' / 'model.onnx'}: 0." in printed
    assert read_manifest(tmp_path / "out").weights == "float16"


def test_the_command_says_what_is_wrong(recorded, tmp_path, capsys):
    sample_model().save_pretrained(tmp_path / "model")
    model = str(tmp_path / "model")
    assert (
        cli.main(["export", model, "--output", str(tmp_path / "out"), "--quantize", "int8", "--calibrate", "csv"]) == 1
    )
    assert cli.main(["export", model, "--output", model]) == 1
    assert "holds something that is no export" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["export", model, "--output", str(tmp_path / "out"), "--format", "abacus"])


@pytest.mark.parametrize("name", list(EXPORTERS))
def test_the_command_knows_every_format(name):
    assert parser().parse_args(["export", "m", "--output", "o", "--format", name]).export.format == name


def test_a_model_exports_itself(recorded, tmp_path):
    manifest = sample_model().export("onnx", tmp_path / "out", weights="float16")
    assert manifest == read_manifest(tmp_path / "out")
    assert Predictor(tmp_path / "out").predict(clip(8000).numpy())[0].label in manifest.labels


@pytest.mark.parametrize(
    "given",
    [
        ["clip.wav"],
        ["m", "a", "b", "--top", "2", "--segments", "--format", "csv", "--output", "x.csv"],
        ["-", "--model", "m"],
    ],
    ids=len,
)
def test_predict_takes_the_same_arguments_without_jsonargparse(given):
    chosen = parser().parse_args(["predict", *given]).predict
    plain = vars(plain_parser().parse_args(["predict", *given]))
    assert plain.pop("command") == "predict"
    assert {key: str(value) for key, value in vars(chosen).items()} == {key: str(value) for key, value in plain.items()}
