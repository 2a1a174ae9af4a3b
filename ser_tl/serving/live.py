"""Live streams over a WebSocket: audio in, answers out as somebody speaks.

    WS /v1/stream?sample_rate=48000&encoding=pcm_s16le     binary messages of samples; text messages of commands
    <- ready, partial, final, gap, error                    -> keepalive, finalize, close

What arrives while the model computes is taken together: hops that are late by then are dropped and counted, never
queued. Memory is bounded: audio beyond the backlog is lost, and a `gap` says so.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from fastapi import FastAPI
from starlette.websockets import WebSocket, WebSocketDisconnect

from ser_tl.errors import AudioError, SerTlError
from ser_tl.inference.session import find_calibration
from ser_tl.serving.access import check_access, check_notice
from ser_tl.serving.logs import log_event
from ser_tl.serving.models import ServedModel
from ser_tl.serving.request_error import RequestError
from ser_tl.serving.service import Service
from ser_tl.streaming import StreamingPredictor, Update

POLICY, FULL, GOING_AWAY, DONE = 1008, 1013, 1001, 1000
"""Close codes: a key is missing or a request makes no sense; no place; the server is ending; as the client asked."""

IDLE_SECONDS = 30.0
"""Without audio or a keepalive, after which a stream is closed."""

BACKLOG_SECONDS = 10.0
"""Of audio that waits for the model at most."""

ENCODINGS = {"pcm_s16le": np.dtype("<i2"), "pcm_f32le": np.dtype("<f4")}
RATES = (8_000, 192_000)

_COMMANDS = ("keepalive", "finalize", "close", "key")


class _Command(NamedTuple):
    """What a text message asks for."""

    kind: str
    key: str = ""


@dataclass(frozen=True)
class _Options:
    """Of a stream, from its address."""

    model: ServedModel
    rate: int
    encoding: str
    hop: float
    window: float
    smoothing: str


def add_live(app: FastAPI, service: Service) -> None:
    """Adds the route of live streams."""

    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await _check_origin(socket, service)
            await _check_key(socket, service)
            options = _read_options(socket, service)
            if service.draining or len(service.streams) >= service.settings.streams:
                raise _CloseError(FULL, f"{len(service.streams)} streams are open: try again later")
            live = LiveStream(socket, service, options)
        except _CloseError as error:
            await _refuse(socket, error.code, str(error))
        except SerTlError as error:
            await _refuse(socket, POLICY, str(error))
        except (WebSocketDisconnect, TimeoutError):
            return
        else:
            await live.run()


class _CloseError(SerTlError):
    """A stream that is closed, with a code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class LiveStream:
    """One stream.

    Args:
        socket: accepted
        service: whose thread computes
        options: from its address
    """

    def __init__(self, socket: WebSocket, service: Service, options: _Options) -> None:
        self._socket = socket
        self._service = service
        self._options = options
        self._dtype = ENCODINGS[options.encoding]
        self._predictor = StreamingPredictor(
            options.model.session,
            hop=options.hop,
            window=options.window,
            smoothing=options.smoothing,
            voice=service.settings.voice,
        )
        self._audio = bytearray()
        self._lost = 0  # bytes beyond the backlog
        self._commands: list[str] = []
        self._arrived = asyncio.Event()
        self._gone = False  # the client has hung up
        self._code: int | None = None  # to close with, once what has arrived is answered
        self._reason = ""

    def end(self) -> None:
        """Answers what has arrived, and takes leave: the server is ending."""
        self._close(GOING_AWAY, "the server is ending")

    async def run(self) -> None:
        """Answers until either side closes."""
        service, options = self._service, self._options
        service.streams.add(self)
        service.metrics.streams.inc()
        reading = asyncio.create_task(self._read())
        try:
            await self._send(
                {
                    "type": "ready",
                    "model": options.model.name,
                    "version": options.model.version,
                    "labels": list(options.model.session.labels),
                    "calibrated": find_calibration(options.model.session) is not None,
                    "sample_rate": options.rate,
                    "encoding": options.encoding,
                    "hop": options.hop,
                    "window": options.window,
                }
            )
            while not self._gone and (self._code is None or self._audio or self._commands):
                await self._arrived.wait()
                self._arrived.clear()
                await self._answer()
            if not self._gone:
                await self._socket.close(self._code or DONE, self._reason)
        except (WebSocketDisconnect, RuntimeError):  # starlette raises either where the client has gone
            if not self._gone:
                log_event("stream broken")
        finally:
            reading.cancel()
            service.streams.discard(self)
            service.metrics.streams.dec()
            service.metrics.dropped_hops.inc(self._predictor.late_hops)
            log_event("stream", seconds=round(self._predictor.time, 1), dropped=self._predictor.late_hops)

    async def _read(self) -> None:
        """Takes in what the client sends."""
        try:
            while self._code is None:
                async with asyncio.timeout(IDLE_SECONDS):
                    message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    self._gone = True
                    self._arrived.set()
                    return
                if message.get("bytes") is not None:
                    self._take(message["bytes"])
                else:
                    self._obey(_parse_command(message.get("text") or ""))
        except TimeoutError:
            self._close(POLICY, f"neither audio nor a keepalive for {IDLE_SECONDS:g} s")
        except SerTlError as error:
            await self._send({"type": "error", "error": str(error)})
            self._close(POLICY, "the message can't be read")

    def _take(self, audio: bytes) -> None:
        most = round(BACKLOG_SECONDS * self._options.rate) * self._dtype.itemsize
        room = most - len(self._audio)
        self._audio += audio[: max(0, room)]
        self._lost += max(0, len(audio) - max(0, room))
        self._arrived.set()

    def _obey(self, command: _Command) -> None:
        if command.kind in ("finalize", "close"):
            self._commands.append(command.kind)
            self._arrived.set()
        if command.kind == "close":
            self._close(DONE, "")

    def _close(self, code: int, reason: str) -> None:
        if self._code is None:
            self._code, self._reason = code, reason
            self._commands.append("close")
        self._arrived.set()

    async def _answer(self) -> None:
        """Answers what has arrived so far."""
        if self._gone:
            return
        whole = len(self._audio) // self._dtype.itemsize * self._dtype.itemsize
        samples = np.frombuffer(bytes(self._audio[:whole]), self._dtype)
        del self._audio[:whole]
        lost, self._lost = self._lost / self._dtype.itemsize / self._options.rate, 0
        commands, self._commands = self._commands, []
        if "close" in commands:
            self._audio.clear()  # half a sample
        try:
            updates = await self._service.batcher.run(self._compute, samples, lost, bool(commands))
        except AudioError as error:
            await self._send({"type": "error", "error": str(error)})
            return
        for update in updates:
            await self._send(self._describe(update))

    def _compute(self, samples: np.ndarray, lost: float, flush: bool) -> list[Update]:
        """What there is to say of the next samples; in the thread that computes."""
        predictor = self._predictor
        updates = predictor.feed(samples, self._options.rate, late="skip") if len(samples) else []
        if lost:
            updates += predictor.skip(lost, "the server couldn't keep up")
        return updates + (predictor.flush() if flush else [])

    def _describe(self, update: Update) -> dict[str, Any]:
        plain = update.to_dict()
        return {"type": plain.pop("kind"), **plain, "dropped": self._predictor.late_hops}

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(message))


async def _refuse(socket: WebSocket, code: int, reason: str) -> None:
    """An error and the close code; a browser shows no reason but this."""
    log_event("stream refused", code=code)
    try:
        await socket.send_text(json.dumps({"type": "error", "error": reason}))
        await socket.close(code)
    except (WebSocketDisconnect, RuntimeError):
        return  # it has gone already


async def _check_origin(socket: WebSocket, service: Service) -> None:
    """Refuses pages of other servers: browsers let any page open a WebSocket anywhere."""
    origin = socket.headers.get("origin")
    if origin is None or origin in service.settings.cors:
        return
    if urlsplit(origin).netloc != socket.headers.get("host"):
        raise _CloseError(POLICY, "pages of this origin may not open streams here: start the server with `cors` ORIGIN")


async def _check_key(socket: WebSocket, service: Service) -> None:
    """A key by header or, since browsers send none, by the first message."""
    settings = service.settings
    try:
        check_access(socket, settings)
    except RequestError:
        async with asyncio.timeout(settings.header_timeout):
            message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect from None
        check_access(socket, settings, _parse_command(message.get("text") or "{}").key)


def _read_options(socket: WebSocket, service: Service) -> _Options:
    query = socket.query_params
    if query.get("notice") != "true":  # browsers send no headers with a WebSocket
        check_notice(socket, service.settings)
    encoding = query.get("encoding", "pcm_s16le")
    if encoding not in ENCODINGS:
        raise RequestError(422, f"encoding is {encoding!r}: expected {' or '.join(ENCODINGS)}")
    try:
        rate = int(query.get("sample_rate", "16000"))
        hop, window = float(query.get("hop", "0.2")), float(query.get("window", "3"))
    except ValueError as error:
        raise RequestError(422, f"sample_rate, hop or window is no number ({error})") from None
    if not RATES[0] <= rate <= RATES[1]:
        raise RequestError(422, f"sample_rate is {rate}: expected {RATES[0]} to {RATES[1]} Hz")
    if not 0.1 <= hop <= 10:
        raise RequestError(422, f"hop is {hop}: expected 0.1 to 10 s")
    model = service.store.find(query.get("model"))
    return _Options(model, rate, encoding, hop, window, query.get("smoothing", "ema:0.4"))


def _parse_command(text: str) -> _Command:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("type") not in _COMMANDS:
        raise RequestError(422, f'a text message is no command: expected {{"type": "{" | ".join(_COMMANDS)}"}}')
    key = content.get("key", "")
    return _Command(content["type"], key if isinstance(key, str) else "")
