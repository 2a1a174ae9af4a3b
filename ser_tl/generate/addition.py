"""Synthetic clips beside real ones, in training parts only.

    splits, synthetic.csv or the folder of a run --add_synthetic--> the splits, whose training parts have them besides

A generator's clips carry traits of its training speakers. So clips are accepted only where all of these are in the
training part: beside another dev or test part they would leak held-out speakers.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets

from ser_tl.data.checks import check_audio, content_keys
from ser_tl.data.schema import SYNTHETIC, emotions
from ser_tl.data.splits import Split
from ser_tl.errors import CorpusError, SplitError, listing
from ser_tl.generate.clips import MANIFEST, ORIGIN, load_synthetic


def add_synthetic(splits: Sequence[Split], source: Path | None) -> list[Split]:
    """The splits with synthetic clips in their training parts.

    Args:
        splits: of a protocol
        source: a manifest of synthetic clips with the JSON file beside it, or the folder of the run that made them,
            which has a folder for each of several splits; None changes nothing

    Raises:
        CorpusError: manifest or JSON file are missing or damaged, or rows have another speaker than `synthetic`
        SplitError: the generator was trained on speech of dev or test, or of speakers that aren't in training, or the
            classes aren't those of the split
        AudioError: clips can't be read
    """
    if source is None:
        return list(splits)
    return [_add_clips(split, _find_manifest(source, split)) for split in splits]


def _find_manifest(source: Path, split: Split) -> Path:
    if source.is_file():
        return source
    candidates = [source / split.name / MANIFEST, source / MANIFEST]
    manifest = next((candidate for candidate in candidates if candidate.is_file()), None)
    if manifest is None:
        raise CorpusError(
            f"synthetic {source}: no {MANIFEST} there, nor in {split.name}/ in it: expected the folder of a run of "
            f"recipes/train_wavegan.py on the same splits, or a manifest"
        )
    return manifest


def _add_clips(split: Split, manifest: Path) -> Split:
    clips = load_synthetic(manifest)
    strangers = sorted(set(clips["speaker"][:]) - {SYNTHETIC})
    if strangers:
        raise CorpusError(
            f"{manifest}: `synthetic` is for clips whose speaker is {SYNTHETIC}, found {', '.join(strangers[:5])}: "
            f"real speech belongs into the corpus (`corpus`, `root`)"
        )
    origin = _read_origin(manifest.with_name(ORIGIN))
    _check(split, origin, manifest)
    unknown = sorted(set(clips["emotion"][:]) - set(emotions(split.train)))
    if unknown:
        raise SplitError(
            f"{manifest} has {', '.join(unknown)}, which are no classes here: make the clips with the same `emotions` "
            f"options ({', '.join(emotions(split.train))})"
        )
    clips, _ = check_audio(clips)
    return replace(split, train=concatenate_datasets([split.train, _match_columns(clips, split.train)]))


def _match_columns(clips: Dataset, like: Dataset) -> Dataset:
    """The clips with the columns that the real ones have, without votes."""
    for name in like.column_names:
        if name not in clips.column_names:
            clips = clips.add_column(name, [None] * len(clips), feature=like.features[name])
    return clips.select_columns(like.column_names)


def _read_origin(path: Path) -> dict[str, Any]:
    try:
        origin = json.loads(path.read_text(encoding="utf-8"))
        training_audio, speakers = set(origin["heard"]), set(origin["speakers"]["train"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{path}: doesn't say whose speech the clips were made from ({error}), so they could be those of a dev or "
            f"test speaker: keep the file that recipes/train_wavegan.py writes beside {MANIFEST}, or make the clips "
            f"again"
        ) from error
    return {"split": origin.get("split"), "heard": training_audio, "speakers": speakers}


def _check(split: Split, origin: dict[str, Any], manifest: Path) -> None:
    way_out = (
        "train the generator on this very split: recipes/train_wavegan.py with the same `corpus`, `protocol`, `split`, "
        "`seed` (or split.seed)"
    )
    for part, corpus in (("dev", split.dev), ("test", split.test)):
        whose = sorted(set(corpus["speaker"][:]) & origin["speakers"])
        if whose and not split.shared_speakers:
            raise SplitError(
                f"{manifest} was made from the speech of {len(whose)} speakers who are in the {part} part of split "
                f"{split.name} (it was made for split {origin['split']}), so its clips would carry them into training; "
                f"{way_out}\n{listing(whose)}"
            )
        copies = [
            name for key, name in zip(content_keys(corpus), corpus["id"][:], strict=True) if key in origin["heard"]
        ]
        if copies:
            raise SplitError(
                f"{manifest} was made from {len(copies)} clips that are in the {part} part of split {split.name}; "
                f"{way_out}\n{listing(copies)}"
            )
    others = sorted(origin["speakers"] - set(split.train["speaker"][:]))
    if others:
        raise SplitError(
            f"{manifest} was made from the speech of {len(others)} speakers who aren't in the training part of split "
            f"{split.name}: a model would know them, and no report would say so; {way_out}\n{listing(others)}"
        )
