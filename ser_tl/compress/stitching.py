"""A model for cheap streams: statistics and classifier fitted anew on frames of clips that are encoded in pieces.

    stitch_model(model, corpus) -> Stitched(model, held_out_uar, reports)
    StreamingPredictor(stitched.model, stitched=True)     a hop encodes 0.2 s and 0.4 s before it, not 3 s

An encoder normalises and attends over what it is given, so that frames of a piece aren't those of the whole clip: the
classifier that knows whole clips fell from 91 to 46 % on them, and fitted anew it reaches 89. No gradient is needed.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace

from datasets import Dataset

from ser_tl.compress.compression import AFTER, BEFORE, divide_speakers
from ser_tl.compress.refit import check_refit_corpus, refit_classifier
from ser_tl.data.batching import UtteranceDataset
from ser_tl.errors import ConfigError, listing
from ser_tl.evaluation import Report
from ser_tl.inference.clips import Pass
from ser_tl.inference.evaluation import check_labels, evaluate
from ser_tl.inference.processes import OneProcess
from ser_tl.inference.statistics import fit_statistics
from ser_tl.model import EmotionModel, KnownSpeakers
from ser_tl.modules.speech_front import SpeechFront
from ser_tl.modules.stitching import Stitching


@dataclass(frozen=True)
class Stitched:
    """A model for streams, and what it cost.

    Attributes:
        model: which encodes clips in pieces
        held_out_uar: over training speakers held out in turn, a fraction
        reports: on speakers whom the model doesn't know, as it was and as it is; empty where the corpus has none
    """

    model: EmotionModel
    held_out_uar: float
    reports: dict[str, Report] = field(default_factory=dict)


def stitch_model(
    model: EmotionModel,
    corpus: Dataset,
    *,
    stitching: Stitching | None = None,
    all_speakers: bool = False,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Stitched:
    """Fits a model's statistics and classifier on stitched frames.

    Args:
        model: a trained classifier that pools frames without trained weights; it stays as it is
        corpus: what it was trained on, and held-out speakers if there are any: rows with the columns of `data.schema`
        stitching: the pieces; 0.2 s with 0.4 s of context if None
        all_speakers: fits on every speaker of the corpus, also on those whom the model doesn't know
        seed: of the statistics' sample
        say: takes a line about each step

    Raises:
        ConfigError: a model whose classifier has no closed form on frames, or a corpus that it can't be fitted on
    """
    check_stitchable(model)
    check_labels(corpus, model.labels)
    fitted_on, judged = divide_speakers(model, corpus, all_speakers=all_speakers)
    check_refit_corpus(model, fitted_on)
    small = deepcopy(model).cpu().eval()
    small.stitching = stitching or Stitching()
    how = Pass(OneProcess("cpu"))
    clips = UtteranceDataset(fitted_on, model.labels, model.audio, training=False)
    say(f"fitting statistics and classifier on pieces of {len(clips)} clips")
    fit_statistics(small, clips, how, seed=seed, embedding=False)
    held_out = refit_classifier(small, fitted_on, how, seed=seed)
    say(f"in pieces: held-out UAR {100 * held_out:.1f}")
    small.known_speakers = model.known_speakers | KnownSpeakers.from_names(fitted_on["speaker"][:])
    small.derive_from(model, f"Made for streams: {describe_fit(small.stitching)}", set(fitted_on["corpus"][:]))
    # In a stream the voice activity has cut what isn't speech, and a piece has no beginning of its own to look for.
    small.audio = replace(small.audio, gate="none")
    small.front = SpeechFront.from_config(small.audio)
    reports = {}
    if len(judged):
        before = model if model.device.type == "cpu" else deepcopy(model).cpu()
        reports = {
            name: evaluate(system, judged, how, title=name) for name, system in ((BEFORE, before), (AFTER, small))
        }
    return Stitched(small, held_out, reports)


def describe_fit(stitching: Stitching) -> str:
    """What was fitted on which pieces, for the card."""
    return (
        f"clips are encoded in pieces of {stitching.hop:g} s with {stitching.context:g} s before each (`ser-tl listen "
        f"--stitched`). Its classifier was fitted anew on such."
    )


def check_stitchable(model: EmotionModel) -> None:
    """Refuses a model that can't be fitted on frames of pieces in closed form.

    Raises:
        ConfigError: with every reason
    """
    reasons = []
    if not model.labels or model.dimensions:
        reasons.append("it predicts dimensions, whose head is trained by gradients")
    if model.network is not None:
        reasons.append(f"model.network {model.config.network} joins frames over the whole clip")
    if model.config.projection or model.config.fusion != "concat":
        reasons.append("a projection or fusion between encoder and pooling was trained on frames of whole clips")
    if any(True for _ in model.pooling.parameters()):
        reasons.append(f"the pooling {model.pooling_name} was trained on frames of whole clips; stats isn't trained")
    if model.audio.normalise != "none":
        reasons.append(f"audio.normalise {model.audio.normalise} measures the whole clip's loudness")
    if model.config.statistics != "training" or model.enrolment is not None:
        reasons.append("it takes a speaker's statistics")
    if model.stitching is not None:
        reasons.append("it is stitched already: stitch the model that it was made of")
    if reasons:
        raise ConfigError(f"the model can't be stitched:\n{listing(reasons)}")
