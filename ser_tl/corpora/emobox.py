"""EmoBox's lists of a corpus: JSONL records that point at its audio (Ma et al. 2024).

    {"key": "emodb-03a01Wa", "dataset": "emodb", "wav": "downloads/emodb/wav/03a01Wa.wav", "emo": "anger", ...}
        ->  id 03a01Wa, anger, speaker emodb_03

github.com/emo-box/EmoBox (MIT) lists 32 corpora in data/NAME: label_map.json, mostly NAME.jsonl, and in fold_K
NAME_{train,valid,test}_fold_K.jsonl. The audio isn't in it and has each corpus' own licence. The paths of the audio
start from the folder that holds downloads/ and data/: the reader takes the nearest folder, from the root upwards, in
which they lead somewhere.

Quirks: the same utterances stand in many lists, and have to agree. Older lists say audio and label for wav and emo.
Labels are each corpus' own ("boredem", "su"), and label_map.json, which differs from them in case here and there, says
what they mean (and merges some: IEMOCAP's exc is Happy). Records name neither speaker nor language, so only corpora
with the speaker in their file names can be read; for others, add the fields speaker and language to the records.

Which fold a record is from is dropped here: `ser_tl.data.folds.read_folds` reads that, from the same folder. Not all
folds keep speakers apart, those of EMO-DB don't: `ser_tl.data.splits` refuses them unless that is asked for.
"""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from datasets import Dataset

from ser_tl.corpora.base import read_emotions, register_corpus, wrong_root
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.folds import emobox_id
from ser_tl.data.records import number, read_jsonl, text
from ser_tl.data.schema import build_corpus
from ser_tl.errors import CorpusError, listing

LAYOUT = "EmoBox's folder data/NAME with fold_K/NAME_{train,test}_fold_K.jsonl, or one of its jsonl files"

SPEAKERS = {  # dataset: language, and the speaker in the path of the audio (all groups together)
    "casia": ("zh", r".*/(\w+)/\w+/\d+"),
    "cremad": ("en", r".*/(\d{4})_[^/]+"),
    "emodb": ("de", r".*/(\d\d)[ab]\d\d[A-Z][a-z]"),
    "emovo": ("it", r".*/\w+-([fm]\d)-[^/]+"),
    "iemocap": ("en", r".*/(Ses\d\d)[^/]+_([FM])[^/_]+"),  # the turn's letter: the file's is the one with the markers
    "ravdess": ("en", r".*/(?:\d\d-){6}(\d\d)"),
    "savee": ("en", r".*/([A-Z]{2})_[^/]+"),
    "shemo": ("fa", r".*/([FM]\d\d)[^/]+"),
    "tess": ("en", r".*/([OY]AF)_[^/]+"),
}


@register_corpus("emobox", title="EmoBox lists", languages=(), licence="the corpus' own", layout=LAYOUT)
def read_emobox(root: Path, emotions: EmotionMap) -> Dataset:
    """The corpus that EmoBox's lists name. Ids are the audio files' stems where these are unique (see `emobox_id`).

    Raises:
        CorpusError: no lists, lists that contradict each other, records without speaker, or audio that isn't there
    """
    paths = sorted(root.rglob("*.jsonl")) if root.is_dir() else [root]
    if not paths or paths[0].suffix != ".jsonl":
        raise wrong_root(root, LAYOUT)
    rows: dict[str, dict[str, Any]] = {}
    bad, differing = [], []
    for path in paths:
        for line, record in read_jsonl(path):
            try:
                row = _build_row(record) | {"where": f"{path.name}, line {line}"}
            except ValueError as error:
                bad.append(f"{path.name}, line {line}: {error}")
                continue
            first = rows.setdefault(row["id"], row)
            if first | {"where": row["where"]} != row:
                differing.append(f"{row['id']}: {first['where']} against {row['where']}")
    if bad:
        raise CorpusError(f"{root}: {len(bad)} records are wrong; correct them\n{listing(bad)}")
    if differing:
        raise CorpusError(f"{root}: the lists contradict each other; keep the right ones\n{listing(differing)}")
    meanings = _read_label_map(root if root.is_dir() else root.parent)
    table = sorted(rows.values(), key=lambda row: row["id"])
    labels = [(row.pop("where"), row["emotion"]) for row in table]
    resolved = [(where, _look_up(label, meanings, emotions)) for where, label in labels]
    home = _find_home(root, [row["audio"] for row in table])
    for row, name in zip(table, read_emotions(resolved, emotions, source=root), strict=True):
        row |= {"emotion": name, "audio": home / row["audio"]}
    return build_corpus(table, source=str(root), mapping=emotions)


def find_speaker(audio: str, corpus: str) -> str | None:
    """The speaker in the path of an audio file; None where it has none, or the corpus isn't in SPEAKERS."""
    if corpus not in SPEAKERS:
        return None
    match = re.fullmatch(SPEAKERS[corpus][1], str(PurePosixPath("/", audio).with_suffix("")))
    return "".join(match.groups()) if match else None


def _build_row(record: dict[str, Any]) -> dict[str, Any]:
    """A row for `schema.build`, with emotion and audio as spelled; a ValueError says what is wrong."""
    audio = text(record, "wav") or text(record, "audio")
    emotion = text(record, "emo") or text(record, "label")
    if not (audio and emotion):
        raise ValueError("needs wav and emo")
    corpus = text(record, "dataset") or "emobox"
    speaker = text(record, "speaker") or text(record, "spk") or find_speaker(audio, corpus)
    language = text(record, "language") or (SPEAKERS[corpus][0] if corpus in SPEAKERS else None)
    if not (speaker and language):
        raise ValueError(f"{audio} doesn't name the speaker and the language; add these two fields to the record")
    return {
        "id": emobox_id(record),
        "audio": audio,
        "emotion": emotion,
        "speaker": f"{corpus}_{speaker}",
        "corpus": corpus,
        "language": language,
        "start": number(record, "start_time") or 0.0,
        "end": number(record, "end_time"),
    }


def _read_label_map(folder: Path) -> dict[str, str]:
    for path in (folder / "label_map.json", folder.parent / "label_map.json"):
        if path.is_file():
            try:
                return {str(key).lower(): str(value) for key, value in json.loads(path.read_text("utf-8")).items()}
            except (ValueError, AttributeError) as error:
                raise CorpusError(f"{path}: expected one JSON object of label to emotion; restore the file") from error
    return {}


def _look_up(label: str, meanings: dict[str, str], emotions: EmotionMap) -> str:
    return label if emotions.renames(label) else meanings.get(label.lower(), label)


def _find_home(root: Path, paths: list[str]) -> Path:
    folders = [root, *root.parents] if root.is_dir() else list(root.parents)
    for folder in folders:
        if any((folder / path).is_file() for path in paths):
            return folder
    raise CorpusError(
        f"{root}: none of the audio files is there: {paths[0]} doesn't exist below this folder or those above it; put "
        f"the audio there, or move the lists beside it"
    )
