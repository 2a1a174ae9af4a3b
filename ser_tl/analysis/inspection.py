"""One recording and a model's attention and probabilities, in one picture.

model, file --predict--> probabilities, attention --recording_picture--> png
"""

from pathlib import Path

from ser_tl.data import audio
from ser_tl.inference import Prediction, Predictor
from ser_tl.inference.torch_session import has_attention
from ser_tl.model import EmotionModel
from ser_tl.reporting.plots import recording_picture


def plot_recording(model: EmotionModel, file: str | Path, path: str | Path) -> Prediction:
    """Draws waveform, spectrogram, attention over time and the emotions' probabilities; dimensions are in the title.

    A pooling that weighs all frames alike has no attention: its panel is left out, and the title says so. A recording
    longer than the model's `audio.max_seconds` is cut into windows, whose probabilities are averaged.

    Args:
        model: the model
        file: the recording
        path: the picture to write

    Returns:
        What is drawn.

    Raises:
        AudioError: the recording can't be used
    """
    attends = has_attention(model)
    prediction = Predictor(model).predict(file, attention=attends)[0]
    waveform = audio.decode(file)
    title_parts = (
        [f"{prediction.label}, {100 * prediction.probabilities[prediction.label]:.1f} %"] if model.labels else []
    )
    title_parts += [f"{name} {value:.2f}" for name, value in prediction.dimensions.items()]
    lines = [f"{Path(file).name}: {', '.join(title_parts)}"]
    windows = len(model.audio.segments(len(waveform) / audio.SAMPLE_RATE))
    if windows > 1:
        lines.append(f"encoded in {windows} windows of {model.audio.max_seconds:g} s, whose probabilities are averaged")
    if not attends:
        lines.append(f"the pooling, {model.pooling_name}, weighs all frames alike: no attention to show")
    shown = None
    if prediction.attention is not None and prediction.frame_seconds is not None:
        shown = list(zip(prediction.frame_seconds, prediction.attention, strict=True))
    recording_picture(
        waveform, audio.SAMPLE_RATE, prediction.probabilities, path, attention=shown, title="\n".join(lines)
    )
    return prediction
