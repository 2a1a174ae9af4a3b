"""`ser-tl enrol`: a speaker from a few recordings without labels, into one file that `predict --speaker` takes.

MODEL RECORDING ... -> Predictor.enrol -> FILE.npz or FILE.json, and perhaps a model of this speaker alone
"""

import sys
import warnings
from pathlib import Path
from typing import Any

from ser_tl.assets import asset
from ser_tl.cli.inputs import expand_inputs
from ser_tl.cli.predict import split_model
from ser_tl.inference import Predictor, Speaker
from ser_tl.inference.enrolment import personal_model
from ser_tl.inference.session import BUNDLED
from ser_tl.model import EmotionModel


def enrol(options: Any) -> int:  # noqa: ANN401 - argparse's or jsonargparse's
    """Enrols one speaker, perhaps beside an earlier enrolment; a recording that can't be used ends it."""
    model, named = split_model(options.recordings, options.model)
    earlier = None if options.add is None else Speaker.load(options.add)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        speaker = Predictor(model).enrol(expand_inputs(named))
    for warning in caught:  # without the line of code that gave it
        print(f"warning: {warning.message}", file=sys.stderr)
    speaker = speaker if earlier is None else earlier.join(speaker)
    speaker.save(options.output)
    if options.personal is not None:
        _save_personal(EmotionModel.from_pretrained(model or asset(BUNDLED)), speaker, options.personal)
    print(f"{options.output}: {_count(speaker, 'clip')}, {speaker.seconds:.1f} s", file=sys.stderr)
    return 0


def _save_personal(model: EmotionModel, speaker: Speaker, folder: Path) -> None:
    """The speaker's own model, with a card."""
    from ser_tl.card import write_card  # corpora and reports: not needed to enrol

    base = model.home
    personal_model(model, speaker).save_pretrained(folder)
    note = (
        f"Made for one speaker, from {_count(speaker, 'recording')} of them ({speaker.seconds:.0f} s): it has this "
        f"voice's mean, and is worse on others."
    )
    write_card(folder, note=note, base=base)


def _count(speaker: Speaker, what: str) -> str:
    return f"{speaker.clips} {what}{'s' * (speaker.clips != 1)}"
