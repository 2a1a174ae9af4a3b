"""EmoBox's lists as a corpus, on trees of empty files: readers never open audio."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.corpora.emobox import find_speaker
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.folds import read_folds
from ser_tl.errors import CorpusError


def record(stem: str = "03a01Wa", emo: str = "anger", **more: object) -> dict:
    wav = f"downloads/emodb/wav/{stem}.wav"
    return {"key": f"emodb-{stem}", "dataset": "emodb", "wav": wav, "emo": emo, "length": 1.0} | more


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """EmoBox's folder, with three clips of EMO-DB."""
    audio = tmp_path / "downloads" / "emodb" / "wav"
    audio.mkdir(parents=True)
    for stem in ("03a01Wa", "03a02La", "08a01Na"):
        (audio / f"{stem}.wav").touch()
    return tmp_path


def write(home: Path, name: str, *records: dict) -> Path:
    path = home / "data" / "emodb" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_lists_are_put_together_and_labels_mapped(home):
    first, second, third = record(), record("03a02La", "boredem"), record("08a01Na", "n")
    older = {"audio": third["wav"], "label": "n", "dataset": "emodb", "key": third["key"]}
    write(home, "fold_1/emodb_train_fold_1.jsonl", first, second)
    write(home, "fold_1/emodb_test_fold_1.jsonl", third)
    write(home, "fold_1/emodb_test_fold1.jsonl", older)
    path = write(home, "emodb.jsonl", first, second, third)
    write(home, "label_map.json", {"N": "Neutral", "boredem": "Boredom"})
    for root in (home / "data" / "emodb", path):
        corpus = load_corpus("emobox", root)
        assert corpus["id"] == ["03a01Wa", "03a02La", "08a01Na"]
        assert corpus["emotion"] == ["anger", "boredom", "neutral"]
        assert corpus["speaker"] == ["emodb_03", "emodb_03", "emodb_08"]
        assert set(corpus["corpus"]) == {"emodb"}
        assert set(corpus["language"]) == {"de"}
    (home / "data" / "emodb" / "label_map.json").write_text("[]")
    with pytest.raises(CorpusError, match="expected one JSON object"):
        load_corpus("emobox", path)


def test_the_users_renaming_comes_before_the_label_map(home):
    write(home, "emodb.jsonl", record(emo="boredem"))
    path = write(home, "label_map.json", {"boredem": "Boredom"}).parent
    assert load_corpus("emobox", path, emotions=EmotionMap(rename={"boredem": "calm"}))["emotion"] == ["calm"]


def test_segments_keep_their_times_and_take_their_keys_as_ids(home):
    times = [(0.0, 1.5), (1.5, 2.25)]
    rows = [
        record(key=f"pavoque-{number}", dataset="pavoque", start_time=start, end_time=end, spk="S", language="de")
        for number, (start, end) in enumerate(times)
    ]
    corpus = load_corpus("emobox", write(home, "segments.jsonl", *rows))
    assert corpus["id"] == ["0", "1"]
    assert list(zip(corpus["start"], corpus["end"], strict=True)) == times
    assert corpus["speaker"] == ["pavoque_S", "pavoque_S"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([record(), record(emo="sad")], "the lists contradict each other; keep the right ones"),
        ([record(emo="xyz")], "1 unknown emotions.*emotions.rename"),
        ([record(dataset="new")], "doesn't name the speaker and the language; add these two fields"),
        ([record(wav=None)], "needs wav and emo"),
        ([record(start_time="soon")], "start_time is 'soon', expected a number"),
        (
            [record(wav="else/where.wav", dataset="a", speaker="b", language="c")],
            "doesn't exist below.*put the audio there",
        ),
    ],
)
def test_bad_records_name_the_way_out(home, rows, message):
    path = write(home, "emodb.jsonl", *rows)
    with pytest.raises(CorpusError, match=f"(?s){message}"):
        load_corpus("emobox", path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "speakers"),
    [("casia", 4), ("cremad", 91), ("emovo", 6), ("iemocap", 10), ("savee", 4), ("shemo", 87), ("tess", 2)],
)
def test_file_names_tell_the_speakers(shared, name, speakers):
    lines = shared(f"listings/{name}.tsv").read_text("utf-8").splitlines()[1:]
    found = Counter(find_speaker(f"downloads/{line.split(chr(9))[0]}", name) for line in lines)
    assert None not in found
    assert len(found) == speakers


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "clips", "speakers"), [pytest.param("ravdess", 1440, 24, marks=pytest.mark.exhaustive), ("emodb", 535, 10)]
)
def test_published_lists_give_the_corpus_and_its_folds(shared, tmp_path, name, clips, speakers):
    data = tmp_path / "data" / name
    shutil.copytree(shared(f"listings/emobox/{name}"), data)
    for path in data.glob("fold_1/*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            wav = tmp_path / (row.get("wav") or row["audio"])
            wav.parent.mkdir(parents=True, exist_ok=True)
            wav.touch()
    corpus = load_corpus("emobox", data)
    assert len(corpus) == clips
    assert len(set(corpus["speaker"])) == speakers
    for fold in read_folds(data):
        assert fold.train | fold.test == set(corpus["id"])
    direct = load_corpus(name, tmp_path / "downloads")
    assert dict(zip(direct["id"], direct["emotion"], strict=True)) == dict(
        zip(corpus["id"], corpus["emotion"], strict=True)
    )
    assert Counter(direct["speaker"]) == Counter(corpus["speaker"])
