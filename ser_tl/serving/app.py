"""The application: routes over a service.

create_app(settings, store) -> FastAPI
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from ser_tl.errors import AudioError
from ser_tl.serving.access import NOTICE_HEADER, Access, answer_error, describe_error
from ser_tl.serving.live import add_live
from ser_tl.serving.metrics import Metrics
from ser_tl.serving.models import ModelStore
from ser_tl.serving.request_error import RequestError
from ser_tl.serving.routes import add_pages, add_predictions, add_state
from ser_tl.serving.service import Service
from ser_tl.serving.settings import Settings

DESCRIPTION = (
    "Emotion in recorded speech. People whose emotions are recognised have to be informed of it (EU AI Act, article "
    "50(3)); recognising them at work or in education is prohibited (article 5(1)(f))."
)


def create_app(settings: Settings, store: ModelStore) -> FastAPI:
    """The application of one process.

    Args:
        settings: limits
        store: models

    Returns:
        An ASGI application, whose service is `app.state.service`.
    """
    metrics = Metrics()
    service = Service(settings, store, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        service.start()
        yield
        await service.close()

    app = FastAPI(
        title="ser_tl", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.service = service
    add_predictions(app, service)
    add_state(app, service)
    add_live(app, service)
    if settings.page:
        add_pages(app)
    _handle_errors(app)
    if settings.cors:
        headers = ["Authorization", "X-API-Key", "Content-Type", NOTICE_HEADER]
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.cors), allow_methods=["GET", "POST"], allow_headers=headers
        )
    app.add_middleware(Access, metrics=metrics)
    return app


def _handle_errors(app: FastAPI) -> None:
    """Every error as `{"error": sentence, "request_id": ...}`."""

    async def refuse(_: Request, error: Exception) -> JSONResponse:
        return answer_error(error) if isinstance(error, RequestError) else JSONResponse(describe_error(str(error)), 422)

    async def answer_http(_: Request, error: Exception) -> JSONResponse:
        detail, status, headers = ("", 500, None)
        if isinstance(error, HTTPException):
            detail, status, headers = error.detail, error.status_code, error.headers
        return JSONResponse(describe_error(detail), status, headers=headers)

    async def answer_invalid(_: Request, error: Exception) -> JSONResponse:
        errors = error.errors() if isinstance(error, RequestValidationError) else []
        reasons = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in errors]
        return JSONResponse(describe_error("; ".join(reasons)), 422)

    app.add_exception_handler(RequestError, refuse)
    app.add_exception_handler(AudioError, refuse)
    app.add_exception_handler(HTTPException, answer_http)
    app.add_exception_handler(RequestValidationError, answer_invalid)
