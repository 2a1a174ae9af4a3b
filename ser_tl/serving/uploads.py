"""The recordings that a request brings, whatever it wraps them in. They stay in memory: nothing is written to disk.

multipart/form-data                       every file in it
application/json                          {"inputs": BASE64, or a list of them}
anything else                             the body is one encoded file (curl --data-binary @clip.wav)
"""

import asyncio
import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect, Request

from ser_tl.serving.admission import Hold
from ser_tl.serving.forms import parse_form
from ser_tl.serving.request_error import GONE, RequestError
from ser_tl.serving.settings import Settings

_LONGEST_NAME = 200
_DATA_URL = re.compile(r"data:[^,]{0,100};base64,")


@dataclass(frozen=True)
class Upload:
    """A recording as it came.

    Args:
        name: its file's, if it has one
        content: an encoded file
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Uploads:
    """What a request brings.

    Args:
        recordings: at least one
        parameters: what JSON names beside them
        several: whether the request's form allows for more than one, even if it holds one
    """

    recordings: list[Upload]
    parameters: dict[str, Any] = field(default_factory=dict)
    several: bool = False


async def read_uploads(request: Request, settings: Settings, hold: Hold) -> Uploads:
    """The recordings in a request.

    Args:
        request: whose body hasn't been read
        settings: limits
        hold: the request's memory

    Raises:
        RequestError: 408, the body came too slowly; 413, it is too large; 422, it holds no recording, or too many; 429,
            there is no memory for it
    """
    body = await _read_body(request, settings, hold)
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        files = parse_form(body, content_type, settings.files)
        uploads = Uploads([Upload(name[:_LONGEST_NAME], content) for name, content in files], several=True)
    elif kind == "application/json":
        uploads = _parse_json(body)
    else:
        uploads = Uploads([Upload("", body)] if body else [])
    if not uploads.recordings:
        raise RequestError(
            422, "the request holds no recording: send a form with files, JSON with `inputs`, or an encoded file"
        )
    if len(uploads.recordings) > settings.files:
        raise RequestError(
            422,
            f"{len(uploads.recordings)} recordings in a request, the limit is {settings.files}: send several requests",
        )
    return uploads


async def _read_body(request: Request, settings: Settings, hold: Hold) -> bytes:
    most = settings.upload_bytes
    reason = f"the body is larger than {settings.upload_mb:g} MB: send it in parts, or as FLAC or Opus"
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise RequestError(413, reason)
    body = bytearray()
    try:
        async with asyncio.timeout(settings.read_timeout):
            async for chunk in request.stream():
                if len(body) + len(chunk) > most:
                    raise RequestError(413, reason)
                hold.reserve(len(chunk))
                body += chunk
    except TimeoutError:
        raise RequestError(
            408, f"the body didn't arrive within {settings.read_timeout:g} s: send a smaller one, or as FLAC or Opus"
        ) from None
    except ClientDisconnect:
        raise RequestError(GONE, "the client hung up") from None
    return bytes(body)


def _parse_json(body: bytes) -> Uploads:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(422, 'the body is no JSON: expected {"inputs": BASE64}') from None
    inputs = content.get("inputs") if isinstance(content, dict) else None
    given = inputs if isinstance(inputs, list) else [inputs]
    encoded = [text for text in given if isinstance(text, str)]
    if len(encoded) < len(given):
        raise RequestError(422, '`inputs` is missing or no text: expected {"inputs": BASE64}, or a list of them')
    parameters = content.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise RequestError(422, '`parameters` is no object: expected {"inputs": BASE64, "parameters": {"top_k": 3}}')
    return Uploads([Upload("", _decode_base64(text)) for text in encoded], parameters, several=isinstance(inputs, list))


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(_DATA_URL.sub("", text, count=1), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(422, f"`inputs` isn't base64 ({error}): encode the file's bytes") from None
