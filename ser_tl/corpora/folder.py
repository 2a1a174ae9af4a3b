"""A folder for each emotion: the simplest corpus there is.

    ROOT/anna/angry/1.wav      ->  id anna/angry/1, anger, speaker anna
    ROOT/angry/anna/1.wav      ->  id angry/anna/1, anger, speaker anna
    ROOT/angry/anna_1.wav      ->  id angry/anna_1, anger, speaker anna
    ROOT/angry/angry_001.wav   ->  id angry/angry_001, anger, speaker unknown

With two levels of folders, one has to be emotions and the other is the speakers; emotions are recognised by their
names: those of data.emotions, their usual spellings, and the user's renamings. With one level, the speaker is the
file's name up to the first underscore.

Quirks: these rules may find names that are no people: the emotion once more, takes, train and test, one name a file, or
one name for all. Then the speakers are unknown (`data.speakers.UNKNOWN`), and protocols by speaker refuse the corpus,
as tests on training voices overestimate a model; the protocol clips takes it, and its reports say so. The corpus is
called like the root, and its language is unknown (und).
"""

from collections import defaultdict
from pathlib import Path

from datasets import Dataset

from ser_tl.corpora.base import find_audio, read_emotions, register_corpus
from ser_tl.data.emotions import EmotionMap, emotion_name, is_emotion, propose_rename
from ser_tl.data.schema import build_corpus
from ser_tl.data.speakers import UNKNOWN
from ser_tl.errors import CorpusError, listing

LAYOUT = "a folder with SPEAKER/EMOTION/file, EMOTION/SPEAKER/file, EMOTION/SPEAKER_rest.wav or EMOTION/file in it"
PARTS = {"train", "training", "dev", "val", "valid", "validation", "test", "testing", "eval"}

_WAY_OUT = (
    "name the speakers in a manifest: a CSV file with the columns path, emotion and speaker, read with `corpus` csv"
)


@register_corpus("folder", title="folder for each emotion", languages=(), licence="the data's own", layout=LAYOUT)
def read_folder(root: Path, emotions: EmotionMap) -> Dataset:
    """The corpus in folders named after emotions.

    Raises:
        CorpusError: no audio, folders of another depth, no level or both levels of emotions, or files with a
            speaker's name beside others without
    """
    files = find_audio(root, LAYOUT, same_names=True)
    folders = {path: path.relative_to(root).parent.parts for path in files}
    by_depth = defaultdict(list)
    for path, parts in folders.items():
        by_depth[len(parts)].append(path)
    if len(by_depth) > 1 or not set(by_depth) <= {1, 2}:
        counts = [f"{len(paths)} files like {paths[0].relative_to(root)}" for _, paths in sorted(by_depth.items())]
        raise CorpusError(
            f"{root}: expected is {LAYOUT}, all files alike. Move them so, or {_WAY_OUT}. Found are\n{listing(counts)}"
        )
    deep = 2 in by_depth
    level = _find_emotion_level(root, sorted(set(folders.values())), emotions) if deep else 0
    labels = [(str(path.relative_to(root)), folders[path][level]) for path in files]
    names = read_emotions(labels, emotions, source=root)
    speakers = [folders[path][1 - level] for path in files] if deep else _read_speakers(root, files)
    if not _are_people(speakers, [label for _, label in labels], names):
        speakers = [UNKNOWN] * len(files)
    rows = [
        {
            "id": path.relative_to(root).with_suffix("").as_posix(),
            "audio": path,
            "emotion": name,
            "speaker": speaker,
            "corpus": root.name,
            "language": "und",
        }
        for path, name, speaker in zip(files, names, speakers, strict=True)
    ]
    return build_corpus(rows, source=str(root), mapping=emotions)


def _find_emotion_level(root: Path, folders: list[tuple[str, ...]], emotions: EmotionMap) -> int:
    """Which of two levels of folders are emotions: the one whose names all are, known or renamed."""
    levels = [sorted({parts[level] for parts in folders}) for level in (0, 1)]
    unknown = [[name for name in names if not _is_emotion(name, emotions)] for names in levels]
    if not unknown[0] and not unknown[1]:
        raise CorpusError(
            f"{root}: the names of both levels of folders are emotions ({', '.join(levels[0])}; {', '.join(levels[1])})"
            f", so it is open which are the speakers; {_WAY_OUT}"
        )
    if unknown[0] and unknown[1]:
        listed = [f"{', '.join(names[:5])}{', ...' * (len(names) > 5)}" for names in levels]
        raise CorpusError(
            f"{root}: neither level of folders has names of emotions only. Give the others a meaning, "
            f"{propose_rename(min(unknown, key=len))}, or {_WAY_OUT}. Found are\n{listing(listed)}"
        )
    return 1 if unknown[0] else 0


def _is_emotion(name: str, emotions: EmotionMap) -> bool:
    return is_emotion(name) or emotions.renames(name)


def _read_speakers(root: Path, files: list[Path]) -> list[str]:
    """The files' names up to the first underscore; empty where no name has one."""
    odd = [str(path.relative_to(root)) for path in files if not path.stem.partition("_")[0] or "_" not in path.stem]
    if len(odd) == len(files):
        return [""] * len(files)
    if odd:
        raise CorpusError(
            f"{root}: {len(odd)} of {len(files)} files don't name the speaker: expected are names that begin with the "
            f"speaker and an underscore, or folders of speakers. Name all so or none, or {_WAY_OUT}\n{listing(odd)}"
        )
    return [path.stem.partition("_")[0] for path in files]


def _are_people(speakers: list[str], labels: list[str], emotions: list[str]) -> bool:
    """Whether the names found for speakers can be people.

    Args:
        speakers: of each file, the name found
        labels: the folders of emotions
        emotions: of these folders
    """
    emotions_of: dict[str, set[str]] = defaultdict(set)
    meanings: dict[str, set[str]] = defaultdict(set)  # of the folders' names, renamed or not
    for speaker, label, emotion in zip(speakers, labels, emotions, strict=True):
        emotions_of[speaker].add(emotion)
        meanings[speaker] |= {emotion, emotion_name(label)}
    single = [name for name, named in emotions_of.items() if len(named) == 1]
    emotions_again = [name for name in single if emotion_name(name) in meanings[name]]
    one_emotion_each = len(single) == len(emotions_of)
    pairs = set(zip(speakers, labels, strict=True))
    # angry/1_angry.wav, sad/1_sad.wav
    numbers_of_clips = len(pairs) == len(speakers) and all(map(str.isdecimal, emotions_of))
    parts_of_a_split = {name.lower() for name in emotions_of} <= PARTS
    no_people = parts_of_a_split or one_emotion_each or bool(emotions_again) or numbers_of_clips
    return not (no_people or len(emotions_of) in (1, len(speakers)))
