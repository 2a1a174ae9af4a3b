"""A speaker from recordings: the embeddings of their windows with speech, and what these come to.

recordings of one speaker -> Predictor -> embeddings -> Speaker --personal_model--> a model of that speaker alone
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ser_tl.errors import ConfigError
from ser_tl.inference.embedding import embedding_rows
from ser_tl.inference.recordings import Recording, is_recording
from ser_tl.inference.session import OutputRequest, find_enrolment
from ser_tl.inference.speaker import FEWEST_SECONDS, Speaker

if TYPE_CHECKING:
    from ser_tl.inference.predictor import Predictor
    from ser_tl.model import EmotionModel


def enrol_speaker(
    predictor: "Predictor",
    recordings: Recording | Iterable[Recording],
    labels: Sequence[str] | None = None,
    sampling_rate: int | None = None,
) -> Speaker:
    """The speaker of some recordings; see `Predictor.enrol`.

    Raises:
        AudioError: a recording can't be used, or there is speech in none
        ConfigError: the model wasn't trained for enrolled speakers, or doesn't have such labels
    """
    session = find_enrolment(predictor.session)
    digest = session.speaker_digest
    items = [recordings] if is_recording(recordings) else list(recordings)
    explained = None if labels is None else session.class_means[_class_indices(predictor.labels, labels, len(items))]
    predictions = predictor.iterate(items, sampling_rate=sampling_rate, wanted=OutputRequest(embedding=True))
    vectors, seconds = [], 0.0
    for number, prediction in enumerate(predictions):
        for row in embedding_rows(prediction, segments=True):
            if row.values is not None:
                vectors.append(row.values if explained is None else row.values - explained[number])
                seconds += row.end - row.start
    speaker = Speaker.from_embeddings(vectors, seconds=seconds, model=digest)
    if seconds < FEWEST_SECONDS:
        warnings.warn(
            f"enrol: {seconds:.1f} s of audio say little of a speaker's voice: add recordings, best of several "
            f"emotions",
            stacklevel=3,
        )
    return speaker


def _class_indices(emotions: Sequence[str], labels: Sequence[str], recordings: int) -> list[int]:
    """The index of each recording's label among the model's emotions."""
    strange = sorted(set(labels) - set(emotions))
    if len(labels) != recordings or strange:
        what = f"{', '.join(strange)} among them" if strange else f"{len(labels)} of them"
        raise ConfigError(
            f"enrol: labels of {recordings} recordings, {what}: expected one for each, out of {', '.join(emotions)}"
        )
    return [emotions.index(label) for label in labels]


def personal_model(model: "EmotionModel", speaker: Speaker) -> "EmotionModel":
    """The model of one enrolled speaker, which takes no speaker any more: what exports and servers need.

    Args:
        model: trained for enrolled speakers, and the speaker's; stays as it is
        speaker: from `enrol_speaker`

    Raises:
        ConfigError: the model wasn't trained for them, or the speaker is another model's
    """
    import torch  # not where exported models alone are asked

    from ser_tl.model.enrolment import embedding_digest, personalise

    speaker.check_model(embedding_digest(model))
    personal = personalise(model, torch.from_numpy(speaker.mean), speaker.clips)
    personal.derive_from(model, f"Made for one speaker, from {speaker.seconds:.0f} s of speech, and worse on others.")
    return personal
