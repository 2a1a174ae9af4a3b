"""`ser-tl enrol`: a speaker from a few recordings without labels, into one file that `predict --speaker` takes.

MODEL RECORDING ... -> Predictor.enrol -> FILE.npz or FILE.json, and perhaps a model of this speaker alone
"""

import sys
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
    speaker = Predictor(model).enrol(expand_inputs(named))
    speaker = speaker if earlier is None else earlier.join(speaker)
    speaker.save(options.output)
    if options.personal is not None:
        personal_model(EmotionModel.from_pretrained(model or asset(BUNDLED)), speaker).save_pretrained(options.personal)
    print(f"{options.output}: {speaker.clips} clips, {speaker.seconds:.1f} s", file=sys.stderr)
    return 0
