"""EMO-DB, and the copy of it that comes with ser_tl."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_tl.assets import asset
from ser_tl.corpora import CORPORA, load_corpus
from ser_tl.errors import CorpusError, UnknownNameError

COUNTS = {"anger": 127, "boredom": 81, "disgust": 46, "fear": 69, "happiness": 71, "neutral": 79, "sadness": 62}
SPEAKERS = {f"emodb_{number:02d}" for number in (3, *range(8, 17))}


def test_letters_are_the_german_names(tree):
    names = [f"03a01{letter}a" for letter in "AEFLNTW"]
    corpus = load_corpus("emodb", tree(f"wav/{name}.wav" for name in names))
    assert corpus["id"] == names
    assert corpus["emotion"] == ["fear", "disgust", "happiness", "boredom", "neutral", "sadness", "anger"]
    assert set(corpus["speaker"]) == {"emodb_03"}
    assert set(corpus["language"]) == {"de"}


LINES = ["Nr.\tSatz\terkannt\tnatuerlich", "1\xa0 \t03a01Fa.wav\t90,00\xa0 \t75,00\xa0", "2\t03a01Nc.wav\t65,5\t0", ""]


@pytest.mark.parametrize("home", ["wav", "."])
def test_listeners_rates_are_shares_wherever_the_table_lies(tree, home):
    root = tree(["wav/03a01Fa.wav"])
    (root / home / "erkennung.txt").write_bytes("\r\n".join(LINES).encode("latin-1"))
    for place in (root / "wav", root):
        if (place, home) != (root, "wav"):
            assert load_corpus("emodb", place)["recognised"] == [0.9]


def test_without_the_table_there_are_no_rates(tree):
    assert "recognised" not in load_corpus("emodb", tree(["03a01Fa.wav"])).column_names


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Nr."], "the columns are 'Nr.', expected Nr., Satz, erkannt"),
        ([*LINES, "3\t03a01Wa.wav\tmost"], "1 lines aren't number, file, percent.*\n  line 5: '3\\\\t03a01Wa.wav"),
        ([LINES[0], LINES[2]], "1 clips have no line; restore the published table.*\n  no rate of 03a01Fa"),
        ([LINES[0], LINES[1].replace("90", "900")], "recognised is a share of listeners, 0 to 1"),
    ],
)
def test_a_table_of_rates_that_is_wrong_is_told_what_is(tree, lines, message):
    root = tree(["03a01Fa.wav"])
    (root / "erkennung.txt").write_text("\n".join(lines), "latin-1")
    with pytest.raises(CorpusError, match=message):
        load_corpus("emodb", root)


@pytest.mark.parametrize("name", ["03a01Xa", "3a01Fa", "03a01F", "03c01Fa"])
def test_names_of_another_form_are_listed(tree, name):
    with pytest.raises(
        CorpusError, match=r"1 of 2 audio files aren't named by the corpus' rule.*point `root` at"
    ) as error:
        load_corpus("emodb", tree(["03a01Fa.wav", f"{name}.wav"]))
    assert f"{name}.wav" in str(error.value)


def test_hidden_files_and_notes_are_no_clips(tree):
    root = tree(["03a01Fa.wav", "._03a01Fb.wav"])
    (root / "README.txt").write_text("Nr.")
    assert load_corpus("emodb", root)["id"] == ["03a01Fa"]


def test_the_bundled_corpus_is_whole():
    corpus = load_corpus("emodb-mini")
    assert Counter(corpus["emotion"]) == COUNTS
    assert set(corpus["speaker"]) == SPEAKERS
    assert set(corpus["corpus"]) == {"emodb"}
    assert len(set(corpus["id"])) == 535


@pytest.mark.slow
def test_the_bundled_corpus_is_small_and_decodes_unclipped():
    corpus = load_corpus("emodb-mini")
    paths = [Path(row["path"]) for row in corpus["audio"]]
    assert sum(path.stat().st_size for path in paths) < 6.5e6
    for path in paths[::30]:
        waveform, rate = soundfile.read(path)
        assert rate == 16000
        assert 16000 < len(waveform) < 16000 * 10
        assert 0.4 < np.abs(waveform).max() < 0.99


def test_the_bundled_corpus_takes_no_root(tmp_path):
    assert CORPORA["emodb-mini"].bundled
    with pytest.raises(CorpusError, match=r"comes with ser_tl.*leave `root` out"):
        load_corpus("emodb-mini", tmp_path)


@pytest.mark.slow
def test_bundled_clips_are_aligned_with_the_originals(shared):
    originals = shared("corpora/emodb")
    for path in sorted(asset("emodb_mini").glob("*.opus"))[::30]:
        waveform, _ = soundfile.read(path)
        original, _ = soundfile.read(originals / f"{path.stem}.flac")
        assert len(waveform) == len(original)
        size = 2 * len(original)
        spectrum = np.fft.rfft(original, size) * np.conj(np.fft.rfft(waveform, size))
        assert np.fft.irfft(spectrum, size).argmax() == 0


@pytest.mark.slow
def test_the_real_corpus_has_its_published_counts(shared):
    corpus = load_corpus("emodb", shared("corpora/emodb"))
    assert Counter(corpus["emotion"]) == COUNTS
    assert set(corpus["speaker"]) == SPEAKERS
    bundled = load_corpus("emodb-mini")
    assert corpus["id"] == bundled["id"]
    assert corpus["recognised"] == bundled["recognised"]
    assert 0.8 <= min(corpus["recognised"]) < max(corpus["recognised"]) == 1.0  # the corpus was chosen so


def test_assets_are_there_with_their_notice():
    logs = {f"log_{part}.jsonl" for part in ("front", "whole", "longer", "lengths", "lengths_longer")}
    held = {"config.json", "model.safetensors", "preprocessor_config.json", "README.md"}
    assert {path.name for path in asset("wav2vec2_mini").iterdir()} == held | logs
    notice = (asset("emodb_mini").parent / "NOTICE.md").read_text("utf-8")
    assert all(
        f"## {name}:" in notice
        for name in ("emodb_mini", "emodb_model", "emodb_model_int8", "silero_vad", "soundnet8", "wav2vec2_mini")
    )
    with pytest.raises(
        UnknownNameError,
        match="known are emodb_mini, emodb_model, emodb_model_int8, silero_vad, soundnet8, wav2vec2_mini",
    ):
        asset("emodb")
