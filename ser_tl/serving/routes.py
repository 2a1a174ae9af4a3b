"""What can be asked for over HTTP: predictions, the server's state, pages."""

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import FastAPI, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import AudioError
from ser_tl.inference import Prediction
from ser_tl.inference.session import find_calibration
from ser_tl.serving.access import check_access, check_notice
from ser_tl.serving.answers import (
    Answer,
    Answers,
    ErrorAnswer,
    HubElement,
    Models,
    describe_prediction,
    rank_classes,
)
from ser_tl.serving.direct_route import DirectRoute
from ser_tl.serving.models import ServedModel
from ser_tl.serving.request_error import GONE, RequestError
from ser_tl.serving.service import Service
from ser_tl.serving.time_course import TimeCourse
from ser_tl.serving.uploads import Upload, Uploads, read_uploads

PAGE = Path(__file__).parent / "page"

_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": ErrorAnswer, "description": "A key is needed"},
    404: {"model": ErrorAnswer, "description": "No model is served under that name"},
    408: {"model": ErrorAnswer, "description": "The body came too slowly"},
    413: {"model": ErrorAnswer, "description": "Too many bytes or seconds"},
    422: {"model": ErrorAnswer, "description": "No recording that can be used; the reason"},
    428: {"model": ErrorAnswer, "description": "A statement is needed that the people recorded were informed"},
    429: {"model": ErrorAnswer, "description": "Too many requests at once; Retry-After says when to try again"},
    503: {"model": ErrorAnswer, "description": "The server is ending"},
    504: {"model": ErrorAnswer, "description": "It took too long"},
}
_BINARY = {"type": "string", "format": "binary"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "array", "items": _BINARY}}}
            },
            "audio/*": {"schema": _BINARY},
            "application/octet-stream": {"schema": _BINARY},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "inputs": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                        "parameters": {"type": "object"},
                    },
                }
            },
        },
    }
}
T = TypeVar("T")


class _Found(NamedTuple):
    """What there is to say of a recording."""

    prediction: Prediction
    course: TimeCourse | None


def add_predictions(app: FastAPI, service: Service) -> None:
    """Adds the routes that answer for recordings."""
    app.router.route_class = DirectRoute

    @app.post("/v1/predict", responses={200: {"model": Answer | Answers}, **_ERRORS}, openapi_extra=_BODY)
    async def predict(
        request: Request,
        model: Annotated[str | None, Query(description="its name; the first if left out")] = None,
        over_time: Annotated[bool, Query(description="also say what the answer is made of over time")] = False,
    ) -> JSONResponse:
        """The emotion in one recording or several: WAV, FLAC, Ogg (Vorbis, Opus), MP3 or AIFF."""
        check_access(request, service.settings)
        served, coverage = service.store.find(model), service.settings.coverage
        uploads, outcomes = await _predict(request, service, served, over_time=over_time)
        if len(outcomes) == 1 and not isinstance(outcomes[0], AudioError):
            answer = describe_prediction(outcomes[0].prediction, served, coverage, outcomes[0].course)
            return JSONResponse(answer if not uploads.several else answer | {"file": uploads.recordings[0].name})
        if all(isinstance(outcome, AudioError) for outcome in outcomes):
            raise RequestError(422, "; ".join(map(str, outcomes)))
        rows = [
            {"file": upload.name, "error": str(outcome)}
            if isinstance(outcome, AudioError)
            else describe_prediction(outcome.prediction, served, coverage, outcome.course) | {"file": upload.name}
            for upload, outcome in zip(uploads.recordings, outcomes, strict=True)
        ]
        return JSONResponse({"predictions": rows})

    async def classify(request: Request, name: str | None) -> JSONResponse:
        check_access(request, service.settings)
        served = service.store.find(name)
        if not served.session.labels:
            raise RequestError(422, f"{served.name} has dimensions and no emotions: ask /v1/predict")
        uploads, outcomes = await _predict(request, service, served)
        answers = []
        for outcome in outcomes:
            if isinstance(outcome, AudioError):
                raise outcome
            answers.append(rank_classes(outcome.prediction, uploads.parameters))
        return JSONResponse(answers if len(answers) > 1 else answers[0])

    answered = {200: {"model": list[HubElement]}, **_ERRORS}

    @app.post("/", responses=answered, openapi_extra=_BODY)
    async def classify_default(request: Request) -> JSONResponse:
        """The emotion in a recording, as the Inference API of the Hugging Face hub answers."""
        return await classify(request, None)

    @app.post("/models/{name:path}", responses=answered, openapi_extra=_BODY)
    async def classify_by(request: Request, name: str) -> JSONResponse:
        """The same, of a model by its name."""
        return await classify(request, name)

    app.router.route_class = APIRoute


def add_state(app: FastAPI, service: Service) -> None:
    """Adds the routes that tell of the server itself."""

    @app.get("/v1/models", responses={200: {"model": Models}, 401: _ERRORS[401]})
    async def models(request: Request) -> JSONResponse:
        """The models that answer here."""
        check_access(request, service.settings)
        return JSONResponse({"models": [_describe_model(model) for model in service.store.models]})

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the process lives."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: _ERRORS[503]})
    async def readyz() -> dict[str, str]:
        """Whether it wants requests."""
        if not service.ready:
            raise RequestError(503, "the server is ending", 1)
        return {"status": "ok"}

    @app.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Figures for Prometheus."""
        check_access(request, service.settings)
        return Response(await asyncio.to_thread(service.metrics.render), media_type="text/plain; version=0.0.4")


def add_pages(app: FastAPI) -> None:
    """Adds the page, and the one that describes this interface; all of it is in the package."""

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(PAGE / "docs.html")

    app.mount("/page", StaticFiles(directory=PAGE), name="page")


def _describe_model(model: ServedModel) -> dict[str, Any]:
    session = model.session
    return {
        "name": model.name,
        "version": model.version,
        "labels": list(session.labels),
        "dimensions": list(session.dimensions),
        "max_seconds": session.audio.max_seconds,
        "sample_rate": SAMPLE_RATE,
        "calibrated": find_calibration(session) is not None,
    }


async def _predict(
    request: Request, service: Service, model: ServedModel, *, over_time: bool = False
) -> tuple[Uploads, list[_Found | AudioError]]:
    """The predictions for what a request brings; an error in the place of each recording that can't be used."""
    settings = service.settings
    check_notice(request, settings)
    if service.draining:
        raise RequestError(503, "the server is ending: try again in a second", 1)
    with service.admission.admit() as hold:
        uploads = await read_uploads(request, settings, hold)
        deadline = time.monotonic() + settings.timeout

        async def one(upload: Upload) -> _Found | AudioError:
            recording = upload.content, model, hold, deadline
            try:
                prediction = await service.predict(*recording)
                return _Found(prediction, await service.trace(*recording) if over_time and prediction.speech else None)
            except AudioError as error:
                return error

        async def all_of_them() -> list[_Found | AudioError]:
            if len(uploads.recordings) == 1:  # as most requests have: no task of its own
                return [await one(uploads.recordings[0])]
            tasks = [asyncio.create_task(one(upload)) for upload in uploads.recordings]
            try:
                return list(await asyncio.gather(*tasks))
            finally:
                for task in tasks:
                    task.cancel()

        return uploads, await _while_connected(request, all_of_them(), settings.timeout)


async def _while_connected(request: Request, work: Awaitable[T], timeout: float) -> T:
    """The result of some work, as long as the client waits for it and it doesn't take too long.

    Raises:
        RequestError: 499, the client hung up; 504, it takes too long
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait({task, gone}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise RequestError(GONE, "the client hung up")
        raise RequestError(504, f"no answer within {timeout:g} s: send shorter recordings, or try again later", 1)
    finally:
        task.cancel()
        gone.cancel()


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
