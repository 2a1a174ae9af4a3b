"""Embeddings of recordings without labels: in Python, and as files of the command line."""

import csv

import numpy as np
import pytest
import soundfile
from pyarrow import parquet

from ser_tl import cli
from ser_tl.errors import AudioError
from ser_tl.inference import Predictor
from tests.test_cli import run  # noqa: F401 - a fixture
from tests.training.samples import tiny_model

pytestmark = pytest.mark.slow

RATE = 16_000


@pytest.fixture
def files(tmp_path):
    """Two recordings and a silent one, the first of them in several windows."""
    generator = np.random.default_rng(0)
    for name, seconds in (("long", 3.0), ("short", 0.5)):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * generator.standard_normal(int(seconds * RATE)), RATE)
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    return [str(tmp_path / f"{name}.wav") for name in ("long", "short", "silent")]


def test_rows_are_in_order_and_a_silent_one_is_not_a_number(files):
    model = tiny_model()
    found = model.embed(files)
    assert found.shape == (3, len(model.predict(files[0], embedding=True).embedding))
    assert found.dtype == np.float32
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(found[0], model.predict(files[0], embedding=True).embedding, atol=1e-6)
    np.testing.assert_allclose(Predictor(model).embed(files[:2]), found[:2], atol=1e-6)
    assert model.embed(files[1]).shape == found[1].shape
    with pytest.raises(AudioError, match="nothing to embed"):
        model.embed(files[2])
    assert model.embed([]).shape == (0, 0)


def test_segments_have_their_own_and_json_has_none_of_it(files):
    model = tiny_model()
    model.audio = type(model.audio)(max_seconds=1.0)
    long = model.predict(files[0], embedding=True)
    assert len(long.segments) == 3
    mean = np.mean([segment.embedding for segment in long.segments], axis=0)
    np.testing.assert_allclose(long.embedding, mean, atol=1e-6)
    assert all("embedding" not in segment for segment in long.to_dict()["segments"])


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_the_command_writes_what_python_returns(run, files, tmp_path, suffix):  # noqa: F811
    output = tmp_path / f"rows{suffix}"
    assert cli.main(["embed", str(run / "model"), *files, "--output", str(output)]) == 0
    expected = Predictor(run / "model").embed(files)
    if suffix == ".npz":
        table = np.load(output)
        names, values = table["files"].tolist(), table["embeddings"]
        assert str(table["model"]) == str(run / "model")
    elif suffix == ".parquet":
        table = parquet.read_table(output)
        names, values = table["file"].to_pylist(), np.array(table["embedding"].to_pylist())
    else:
        with output.open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        names = [row["file"] for row in rows]
        values = np.array([[float(row[key]) for key in row if key.startswith("embedding_")] for row in rows])
    assert names == files
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_a_broken_file_is_named_and_the_others_are_written(run, files, tmp_path, capsys):  # noqa: F811
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    output = tmp_path / "rows.npz"
    assert cli.main(["embed", str(run / "model"), files[0], str(broken), "--output", str(output)]) == 1
    assert "broken.wav" in capsys.readouterr().err
    assert np.load(output)["files"].tolist() == files[:1]
    assert cli.main(["embed", str(run / "model"), files[0], "--output", str(tmp_path / "rows.xyz")]) == 1
    assert "expected a file that ends with .npz or .parquet or .csv" in capsys.readouterr().err
