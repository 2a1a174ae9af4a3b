"""Checks of a corpus' column of speakers, as protocols need it: does it identify people?

corpus, protocol --check_people--> or SplitError        corpus --drop_clip_names--> speakers unknown, and a remark
"""

from datasets import Dataset

from ser_tl.data.speakers import UNKNOWN, names_clips
from ser_tl.errors import SplitError


def check_people(corpus: Dataset, protocol: str) -> None:
    """Refuses a column of speakers that can't keep people apart."""
    speakers = corpus["speaker"][:]
    way_out = (
        "add a column speaker that identifies people, or say which column does (`columns` '{speaker: COLUMN}'); "
        "`protocol` clips does without, and its reports say that they aren't speaker-independent"
    )
    unknown = speakers.count(UNKNOWN)
    if unknown:
        raise SplitError(
            f"protocol {protocol} keeps speakers apart, but of {unknown} of {len(speakers)} utterances the speaker is "
            f"unknown (a class folder names them by files such as anna_1.wav or by folders of speakers): {way_out}"
        )
    if names_clips(speakers):
        raise SplitError(
            f"protocol {protocol} keeps speakers apart, but the column speaker has {len(set(speakers))} names for "
            f"{len(speakers)} utterances ({', '.join(sorted(set(speakers))[:3])}, ...): it seems to name clips and not "
            f"people; {way_out}"
        )


def drop_clip_names(corpus: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """The corpus without names of speakers that are names of clips, and what a report has to say of them."""
    speakers = corpus["speaker"][:]
    if not names_clips(speakers):
        return corpus, ()
    nobody = corpus.remove_columns("speaker").add_column(
        "speaker", [UNKNOWN] * len(speakers), feature=corpus.features["speaker"]
    )
    remark = (
        f"The column speaker isn't used: its {len(set(speakers))} names for {len(speakers)} utterances seem to name "
        f"clips and not people."
    )
    return nobody.select_columns(corpus.column_names), (remark,)
