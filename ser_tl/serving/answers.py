"""What a server says, as JSON and as its OpenAPI description has it."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from ser_tl.inference import Prediction
from ser_tl.serving.models import ServedModel
from ser_tl.serving.request_error import RequestError
from ser_tl.serving.time_course import TimeCourse


class SegmentAnswer(BaseModel):
    """A window of the recording."""

    start: float = Field(description="seconds into the recording")
    end: float
    label: str = Field(description="the likeliest emotion; empty for silence")
    probabilities: dict[str, float]
    dimensions: dict[str, float] = Field(description="arousal, valence, dominance, from models that have them")
    speech: bool = Field(description="false for silence")


class TimeCourseAnswer(BaseModel):
    """What an answer is made of over time. Value `i` is about `seconds` seconds from `i * step` on."""

    kind: Literal["attention", "windows"] = Field(
        description="`attention`: the weight of each frame in the model's pooling; `windows`: the model has no such "
        "weights, and was asked about each short window alone"
    )
    seconds: float
    step: float
    weights: list[float] = Field(description="of `attention`, adding up to 1; else empty")
    probabilities: dict[str, list[float | None]] = Field(description="of `windows`, by emotion; null without speech")
    dimensions: dict[str, list[float | None]] = Field(description="of `windows`, likewise")


class Answer(BaseModel):
    """The emotion that the model finds in one recording."""

    label: str = Field(description="the likeliest emotion; empty for silence")
    probabilities: dict[str, float] = Field(description="by emotion, adding up to 1; empty for silence")
    dimensions: dict[str, float] = Field(description="arousal, valence, dominance, from models that have them")
    segments: list[SegmentAnswer] = Field(description="windows of a longer recording; one for a short one")
    speech: bool = Field(description="false if the whole recording is silent")
    calibrated: bool = Field(description="whether probabilities are calibrated")
    prediction_set: list[str] | None = Field(
        description="emotions that it may have at the server's coverage, likeliest first; null without `coverage`"
    )
    abstained: bool = Field(description="whether no single emotion can be named at the server's coverage")
    outlier_score: float | None = Field(
        description="how unlike the training data, about 1 or less for clips like it; or null"
    )
    unlike_training: bool = Field(description="whether that is more than of 95 % of new speakers' clips")
    too_short: bool = Field(description="whether there is less speech than the model was seen to judge well")
    model: str
    version: str = Field(description="of the model's files")
    seconds: float = Field(description="the recording's length")
    file: str = Field(default="", description="its name, where several were sent")
    over_time: TimeCourseAnswer | None = Field(
        default=None, description="what the answer is made of over time, where the request says `over_time=true`"
    )


class FailedAnswer(BaseModel):
    """A recording among several that can't be used."""

    file: str
    error: str


class Answers(BaseModel):
    """Of several recordings, in their order."""

    predictions: list[Answer | FailedAnswer]


class HubElement(BaseModel):
    """A class as the Inference API of the Hugging Face hub has it."""

    label: str
    score: float


class ErrorAnswer(BaseModel):
    """Why there is no answer."""

    error: str = Field(description="what was found, what was expected, the way out")
    request_id: str = Field(description="as in the server's log and in the header X-Request-ID")


class ModelAnswer(BaseModel):
    """A model that is served."""

    name: str
    version: str
    labels: list[str]
    dimensions: list[str]
    max_seconds: float = Field(description="longer recordings are cut into windows of at most that")
    sample_rate: int
    calibrated: bool


class Models(BaseModel):
    """The models that are served; the first is the default."""

    models: list[ModelAnswer]


def describe_prediction(
    prediction: Prediction, model: ServedModel, coverage: float | None, course: TimeCourse | None = None
) -> dict[str, Any]:
    """An `Answer` as plain values.

    Args:
        prediction: what the model says
        model: the model
        coverage: of prediction sets; without one there is no set, which an empty one would contradict
        course: what it is made of over time, where that was asked for
    """
    answer = {
        "label": prediction.label,
        "probabilities": prediction.probabilities,
        "dimensions": prediction.dimensions,
        "segments": [segment.to_dict() for segment in prediction.segments],
        "speech": prediction.speech,
        "calibrated": prediction.calibrated,
        "prediction_set": None if coverage is None else list(prediction.prediction_set),
        "abstained": prediction.abstained,
        "outlier_score": prediction.outlier_score,
        "unlike_training": prediction.unlike_training,
        "too_short": prediction.too_short,
        "model": model.name,
        "version": model.version,
        "seconds": prediction.seconds,
    }
    return answer if course is None else answer | {"over_time": course._asdict()}


def rank_classes(prediction: Prediction, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Classes with their scores, likeliest first, as the Inference API has them.

    Args:
        prediction: the answer; silence has no classes
        parameters: `top_k` and `function_to_apply`, as its clients send them

    Raises:
        RequestError: 422, a parameter that can't be followed
    """
    count = parameters.get("top_k")
    if count is None:
        count = len(prediction.probabilities)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise RequestError(422, f"top_k is {count!r}: expected a whole number from 1 on")
    if parameters.get("function_to_apply") not in (None, "softmax"):
        raise RequestError(
            422,
            f"function_to_apply is {parameters['function_to_apply']!r}: scores are probabilities, `softmax`; leave "
            f"it out",
        )
    return [{"label": label, "score": score} for label, score in prediction.top(count)]
