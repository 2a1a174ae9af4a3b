"""The command line, called as a user calls it, on a small trained model."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from ser_tl import cli
from ser_tl.training import Trainer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.fixture
def run(small_run):
    return small_run


def test_predict_writes_a_json_line_for_each_file(run, capsys):
    files = sorted((run / "tones").glob("anger_0_*.wav"))
    assert cli.main(["predict", str(run / "model"), *map(str, files)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["file"] for row in rows] == [str(path) for path in files]
    for row in rows:
        assert set(row["probabilities"]) == {"anger", "neutral", "sadness"}
        assert sum(row["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
        assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)


def test_predict_tells_attention_over_time(run, capsys):
    file = run / "tones" / "anger_0_0.wav"
    assert cli.main(["predict", str(run / "model"), str(file), "--attention"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert [sum(weights) for weights in row["attention"]] == pytest.approx([1.0], abs=1e-5)
    assert len(row["attention"][0]) == len(row["frame_seconds"][0])


def test_predict_prints_a_table(run, capsys):
    file = run / "tones" / "anger_0_0.wav"
    assert cli.main(["predict", str(run / "model"), str(file), "--format", "table"]) == 0
    header, line, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["file", "label", "anger", "neutral", "sadness"]
    assert set(line) == {"-", " "}
    assert row.startswith(str(file))


def test_predict_goes_on_after_a_broken_file_names_it_and_fails(run, tmp_path, capsys):
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    good = run / "tones" / "anger_0_0.wav"
    files = [str(tmp_path / "silent.wav"), str(tmp_path / "broken.wav"), str(good)]
    assert cli.main(["predict", str(run / "model"), *files]) == 1
    out, err = capsys.readouterr()
    silent, broken, answered = map(json.loads, out.splitlines())
    assert [row["file"] for row in (silent, broken, answered)] == files
    assert (silent["label"], silent["speech"]) == ("", False)
    assert "broken.wav: not audio" in broken["error"]
    assert answered["label"] in answered["probabilities"]
    assert "broken.wav" in err
    assert "silent.wav" not in err


def test_evaluate_on_the_runs_test_part_saves_a_report(run, tmp_path, capsys):
    options = ["--corpus", "csv", "--root", str(run / "tones.csv"), "--ids", str(run / "split.json")]
    assert cli.main(["evaluate", str(run / "model"), *options, "--output", str(tmp_path / "report")]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["support"] == len(json.loads((run / "split.json").read_text())["test"])
    assert f"UAR {100 * report['uar']:.1f}" in capsys.readouterr().out


def test_evaluate_refuses_speakers_of_the_training_and_tells_the_way_out(run, capsys):
    assert cli.main(["evaluate", str(run / "model"), "--corpus", "csv", "--root", str(run / "tones.csv")]) == 1
    error = capsys.readouterr().err
    assert "the model knows 5 of the 6 speakers" in error
    assert "--ids" in error


def test_evaluate_with_labels_that_do_not_meet_tells_the_way_out(run, capsys):
    options = ["--corpus", "csv", "--root", str(run / "tones.csv"), "--emotions.merge", '{"fear": ["anger"]}']
    assert cli.main(["evaluate", str(run / "model"), *options]) == 1
    assert "emotions.drop" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_compare_prints_a_table_and_writes_the_page(run, tmp_path, capsys):
    options = ["--corpus", "csv", "--root", str(run / "tones.csv"), "--ids", str(run / "split.json")]
    for name in ("one", "other"):
        assert cli.main(["evaluate", str(run / "model"), *options, "--output", str(tmp_path / name)]) == 0
    capsys.readouterr()
    runs = [f"first={tmp_path / 'one'}", str(tmp_path / "other")]
    assert cli.main(["compare", *runs, "--title", "tones", "--output", str(tmp_path / "page")]) == 0
    title, header, best, second, *notes, page = capsys.readouterr().out.splitlines()
    assert (title, header.split()[0]) == ("tones", "system")
    assert best.split()[0] == "first"
    assert second.split()[0] == "other"
    assert any("One test speaker: the figures say nothing about other speakers." in note for note in notes)
    assert page == str(tmp_path / "page" / "comparison.html")
    assert {path.suffix for path in (tmp_path / "page").iterdir()} == {".html", ".md", ".csv", ".png"}


def test_compare_refuses_what_is_no_run(run, capsys):
    assert cli.main(["compare", str(run / "model")]) == 1
    assert "no report.json" in capsys.readouterr().err


def test_inspect_draws_a_picture(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = run / "tones" / "anger_0_0.wav"
    assert cli.main(["inspect", str(run / "model"), str(file)]) == 0
    assert capsys.readouterr().out.splitlines() == ["anger", "anger_0_0.png"]
    assert (tmp_path / "anger_0_0.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_model_is_an_error_with_the_way_out(tmp_path, capsys):
    assert cli.main(["predict", str(tmp_path / "nothing"), "clip.wav"]) == 1
    assert "pass a folder that a recipe saved" in capsys.readouterr().err


def test_tables_list_every_corpus_and_encoder(capsys):
    from ser_tl.corpora import CORPORA
    from ser_tl.encoders import ENCODERS

    assert cli.main(["corpora"]) == 0
    corpora = capsys.readouterr().out
    assert all(name in corpora for name in CORPORA)
    assert cli.main(["encoders"]) == 0
    encoders = capsys.readouterr().out
    assert all(name in encoders for name in ENCODERS)
    assert "bundled" in encoders


def test_a_corpus_is_summed_up_with_the_agreement_of_its_annotators(run, tmp_path, capsys):
    lines = (run / "tones.csv").read_text().splitlines()
    votes = ["votes", *(["anger;anger;sadness", "neutral;anger"] * len(lines))[: len(lines) - 1]]
    path = tmp_path / "voted.csv"
    path.write_text("\n".join(f"{line},{vote}" for line, vote in zip(lines, votes, strict=True)))
    assert cli.main(["corpora", "csv", "--root", str(path), "--emotions.rename", '{"sadness": "low"}']) == 0
    header, _, *rows, _, languages, counted, alpha, shares = capsys.readouterr().out.splitlines()
    assert header.split() == ["emotion", "utterances", "minutes", "speakers"]
    assert [row.split()[:2] for row in rows] == [["anger", "18"], ["low", "18"], ["neutral", "18"], ["all", "54"]]
    assert (languages, counted) == ("languages: und 54", "votes: 54 utterances with two or more, 2.5 on each")
    assert alpha.startswith("Krippendorff's alpha: -0.")
    assert shares.startswith("unanimous: 0.0 %, tied: 50.0 %, ")
    assert cli.main(["corpora", "csv", "--root", str(run / "tones.csv")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "votes: none of two or more on an utterance"


def test_evaluate_takes_the_majority_as_training_did(run, tmp_path, capsys):
    lines = (run / "tones.csv").read_text().splitlines()
    path = tmp_path / "voted.csv"
    path.write_text("\n".join([f"{lines[0]},votes", *(f"{line},neutral;neutral;anger" for line in lines[1:])]))
    options = ["--corpus", "csv", "--root", str(path), "--ids", str(run / "split.json")]
    assert cli.main(["evaluate", str(run / "model"), *options, "--labels.emotion", "majority"]) == 0
    assert "36 of 54 utterances have another one than the corpus gives" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["evaluate", "compare", "augment"])
def test_what_cannot_be_written_to_is_refused_before_the_work(command, run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Trainer, "evaluate", lambda *_, **__: pytest.fail("evaluated all the same"))
    (tmp_path / "file").touch()
    clip = str(run / "tones" / "anger_0_0.wav")
    options = {"evaluate": [str(run / "model"), "--corpus", "emodb-mini"], "compare": ["nothing"], "augment": [clip]}
    for place, told in (
        (tmp_path / "file", "is a file: name a folder"),
        (tmp_path / "file" / "x", "name a folder else"),
    ):
        assert cli.main([command, *options[command], "--output", str(place)]) == 1
        assert f"error: --output {place} " in (error := capsys.readouterr().err)
        assert told in error


@pytest.mark.parametrize("name", ["clip.xyz", "clip", "folder.png"])
def test_inspect_draws_pictures_only(run, tmp_path, name, capsys):
    (tmp_path / "folder.png").mkdir()
    command = ["inspect", str(run / "model"), str(run / "tones" / "anger_0_0.wav"), "--output", str(tmp_path / name)]
    assert cli.main(command) == 1
    assert f"{name} is no picture: expected is a file that ends with ." in capsys.readouterr().err


def test_extract_and_augment_take_a_corpus_as_training_does(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path / "cache"))
    rows = ["path,what,speaker,start,end"]
    for place in range(3):
        soundfile.write(tmp_path / f"{place}.wav", np.concatenate([np.zeros(8000), np.full(8000, 0.1)]), 16000)
        rows.append(f"{place}.wav,odd,{place},0.5,1.0")  # the rest is silent, and no voice
    (tmp_path / "list.csv").write_text("\n".join(rows))
    corpus = ["--corpus", "csv", "--root", str(tmp_path / "list.csv"), "--columns", "{emotion: what}"]
    corpus += ["--emotions.rename", "{odd: other}"]
    assert cli.main(["extract", "--encoder", "mfcc", *corpus]) == 0
    assert "for 3 clips of csv" in capsys.readouterr().out
    heard = []
    monkeypatch.setattr(
        "ser_tl.augment.preview_transforms", lambda clip, config, voices, seed: heard.extend(voices) or iter(())
    )
    monkeypatch.setattr("ser_tl.reporting.plots.augmentation_picture", lambda *_, **__: None)
    file = str(run / "tones" / "anger_0_0.wav")
    assert cli.main(["augment", file, "--output", str(tmp_path / "heard"), *corpus]) == 0
    assert [len(voice) for voice in heard] == [8000] * 3


def test_an_unknown_option_ends_with_status_2(run):
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", str(run / "model"), "clip.wav", "--colour", "red"])
    assert ended.value.code == 2


@pytest.mark.exhaustive
def test_no_help_waits_for_torch_or_its_like():
    code = """
import sys
from ser_tl.cli import COMMANDS, main
for asked in ([], *([name] for name in COMMANDS)):
    try:
        main([*asked, "--help"])
    except SystemExit as ended:
        assert ended.code == 0, asked
print({name.partition(".")[0] for name in sys.modules} & {"torch", "numpy", "transformers", "datasets", "matplotlib"})
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.count("usage: ser-tl") == 1 + len(cli.COMMANDS)
    assert told.splitlines()[-1] == "set()"


def test_version_quiet_and_log_level_stand_anywhere(run, capsys, monkeypatch):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ser_tl ")
    file = str(run / "tones" / "anger_0_0.wav")
    assert cli.main(["predict", "--quiet", str(run / "model"), file]) == 0
    assert capsys.readouterr().err == ""
    assert cli.main(["predict", str(run / "model"), file, "--log-level=debug"]) == 0
    assert "probabilities" in capsys.readouterr().err
    assert cli.main(["cache", "--log-level", "loud"]) == 1
    assert "expected one of error, warning, info, debug" in capsys.readouterr().err
    cli.main(["predict", "--log-level", "warning", str(run / "model"), file])
