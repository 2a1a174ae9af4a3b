"""`stitch_model` and `ser-tl stitch`: a classifier fitted on pieces, judged on other speakers, kept and exported."""

import numpy as np
import pytest
import torch

from ser_tl import cli
from ser_tl.compress.compression import AFTER, BEFORE
from ser_tl.compress.refit import refit_classifier
from ser_tl.compress.stitching import check_stitchable, stitch_model
from ser_tl.data.audio import AudioConfig
from ser_tl.errors import CheckpointError, ConfigError, ExportError
from ser_tl.export.agreement import Sample
from ser_tl.export.calibration import calibration_inputs
from ser_tl.export.stitched import ClassifierGraph, PieceGraph
from ser_tl.inference.clips import Pass
from ser_tl.inference.processes import OneProcess
from ser_tl.inference.session import open_session
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.modules.stitching import Stitching
from ser_tl.streaming import StreamingPredictor
from ser_tl.training.compatibility import check_parts
from tests.card.bases import check_inherited, save_restricted
from tests.encoders.tiny import tiny
from tests.streaming.sounds import RATE, voiced
from tests.test_model import build
from tests.training.samples import TONES, tone_corpus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("tones"))


def tone_model(**audio):
    torch.manual_seed(0)
    model = EmotionModel(
        tiny("whisper"), sorted(TONES), pooling="stats", config=ModelConfig(layers=[1, 2], hidden=8),
        audio=AudioConfig(**audio),
    )  # fmt: skip
    model.known_speakers = [f"speaker_{number}" for number in range(4)]
    return model.eval()


@pytest.fixture(scope="module")
def stitched(corpus, tmp_path_factory):
    model = save_restricted(tone_model(gate="energy"), tmp_path_factory.mktemp("base"))
    refit_classifier(model, corpus.select(range(36)), Pass(OneProcess("cpu")))
    return model, stitch_model(model, corpus)


def test_a_classifier_is_fitted_on_pieces_of_known_speakers_and_judged_on_others(stitched, tmp_path):
    model, found = stitched
    small = found.model
    assert model.stitching is None
    check_inherited(small, tmp_path, "Made for streams: clips are encoded in pieces of 0.2 s")
    assert (small.stitching, small.config.head, small.audio.gate) == (Stitching(), "discriminant", "none")
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(small.encoder.state_dict()[name], tensor)
    for name in ("standardise_states", "standardise_embedding", "head"):
        first, other = (getattr(one, name).state_dict() for one in (model, small))
        assert not any(torch.equal(first[key], other[key]) for key in first if first[key].is_floating_point())
    assert set(found.reports) == {BEFORE, AFTER}
    assert set(found.reports[AFTER].per_speaker) == {"speaker_4", "speaker_5"}
    assert found.held_out_uar > 0.6
    assert found.reports[AFTER].uar > 0.6


@pytest.mark.exhaustive
def test_a_stitched_model_is_two_graphs_and_streams_without_torch_s_help(stitched, tmp_path):
    model = stitched[1].model
    folder = tmp_path / "graphs"
    manifest = model.export("onnx", folder)
    assert manifest.stitching == {"hop": 0.2, "context": 0.4}
    assert sorted(manifest.files) == ["classifier.onnx", "model.onnx"]
    assert max(row["probabilities"] for row in manifest.parity) < 1e-4
    session, signal = open_session(folder), voiced(2.3)
    first, other = (
        StreamingPredictor(one, voice="energy", smoothing="none", stitched=True).feed(signal, RATE)
        for one in (model, session)
    )
    assert any(update.label for update in first)
    for update, expected in zip(other, first, strict=True):
        assert update.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
    (folder / "classifier.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"classifier\.onnx: missing"):
        open_session(folder)
    with pytest.raises(ExportError, match="`format` onnx"):
        model.export("torchscript", tmp_path / "script")


@pytest.mark.exhaustive
def test_ranges_are_measured_on_pieces_as_the_graph_gets_them(stitched, corpus, tmp_path, monkeypatch):
    lengths = []

    def measure(clips, seconds, *, multiple):
        inputs = calibration_inputs(clips, seconds, multiple=multiple)
        lengths.extend(waveform.shape[1] for waveform, _ in inputs)
        return inputs

    monkeypatch.setattr("ser_tl.export.calibration.calibration_inputs", measure)
    manifest = stitched[1].model.export("onnx", tmp_path / "int8", quantize="int8", calibrate=corpus)
    assert set(lengths) == {round(0.6 * RATE)}
    assert len(lengths) > 40  # several of each clip
    assert len(lengths) % 4 == 0
    assert manifest.quantization["way"] == "static"
    assert "pieces of 0.6 s for calibration" in manifest.quantization["summary"]
    stream = StreamingPredictor(tmp_path / "int8", voice="energy", stitched=True)
    assert any(update.label for update in stream.feed(voiced(1.5), RATE))


def test_pieces_for_calibration_are_spread_over_each_clip():
    clips = [np.arange(48_000, dtype=np.float32), np.arange(4000, dtype=np.float32)]
    sample = Sample("any", clips, clips, ["joy", "fear"], 0).in_pieces(Stitching())
    assert (len(sample.calibration), sample.seconds) == (6, pytest.approx(0.6))
    assert [int(piece[0]) for piece in sample.calibration[:5]] == sorted({int(p[0]) for p in sample.calibration[:5]})
    assert sample.calibration[4][-1] == 47_999  # the last piece ends with the clip
    assert {len(piece) for piece in sample.calibration[1:5]} == {9600}
    assert np.array_equal(sample.calibration[5], clips[1])
    assert sample.judged is clips


@pytest.mark.parametrize("name", ["wav2vec2", "hubert-batch", "moonshine"])
@torch.no_grad()
def test_both_graphs_compute_what_the_model_does(name):
    model = build(name, pooling="stats", audio=AudioConfig(max_seconds=4.0))
    model.stitching = Stitching()
    pieces = PieceGraph(model)  # of weights that are parametrised, as those of wav2vec 2.0's positions
    assert model.stitching == Stitching()
    signal = torch.from_numpy(voiced(0.8))[None]
    frames, counts = pieces(signal, torch.tensor([signal.shape[1]]))
    model.stitching = None
    expected = model(signal, torch.tensor([signal.shape[1]]))
    probabilities, embedding = ClassifierGraph(pieces)(frames, counts)
    torch.testing.assert_close(embedding, expected.embedding, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(probabilities, expected.logits.softmax(dim=-1), rtol=1e-4, atol=1e-5)


def test_the_command_fits_saves_and_tells(corpus, tmp_path, capsys):
    tone_model().save_pretrained(tmp_path / "model")
    rows = [f"{row['audio']['path']},{row['emotion']},{row['speaker']}" for row in corpus]
    (tmp_path / "tones.csv").write_text("\n".join(["path,emotion,speaker", *rows]) + "\n")
    arguments = [
        "stitch", str(tmp_path / "model"), "--corpus", "csv", "--root", str(tmp_path / "tones.csv"),
        "--output", str(tmp_path / "stitched"), "--context", "0.3", "--all_speakers",
    ]  # fmt: skip
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("UAR of training speakers held out in turn, in pieces: ")
    assert out[-1] == str(tmp_path / "stitched")
    loaded = EmotionModel.from_pretrained(tmp_path / "stitched")
    assert loaded.stitching == Stitching(0.2, 0.3)
    assert "ser-tl listen --stitched" in (tmp_path / "stitched" / "README.md").read_text()
    assert cli.main(["stitch", str(tmp_path / "stitched"), *arguments[2:7], str(tmp_path / "other")]) == 1
    assert "stitched already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pooling": "attentive-stats"}, "pooling attentive-stats"),
        ({"pooling": "stats", "network": "bilstm"}, "model.network bilstm"),
        ({"pooling": "stats", "projection": 4}, "projection"),
        ({"pooling": "stats", "audio": AudioConfig(normalise="rms")}, "audio.normalise rms"),
        ({"pooling": "stats", "statistics": "speaker"}, "speaker's statistics"),
    ],
)
def test_models_whose_classifier_has_no_closed_form_on_pieces_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        check_stitchable(build(**options))


def test_a_stitched_model_is_not_trained_further(stitched, corpus):
    train, dev = corpus.select(range(27)), corpus.select(range(27, 36))
    check_parts(stitched[0], train, dev, None, 1)
    with pytest.raises(ConfigError, match="ser-tl stitch"):
        check_parts(stitched[1].model, train, dev, None, 1)
