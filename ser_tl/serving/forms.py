"""The files of a form (multipart/form-data, RFC 7578) whose bytes lie in memory as a whole.

    parse_form(body, content_type, most) -> [(name, content), ...]

A body in memory is split at its boundaries. Starlette's parser of streams leaves a file out, without a word, that is
cut off before its last boundary, takes a line that only begins with the boundary for one, and refuses text before the
first, which the RFC allows. It also takes twice as long.
"""

from collections.abc import Iterator

from python_multipart.multipart import parse_options_header

from ser_tl.serving.request_error import RequestError

_MOST_HEADERS = 1 << 14
"""Bytes of the headers of one part."""


def parse_form(body: bytes, content_type: str, most: int) -> list[tuple[str, bytes]]:
    """Names and contents of the files in a form, in their order; fields that are no files are left out.

    Args:
        body: the whole form
        content_type: the header that names its boundary
        most: files, and as many other fields

    Raises:
        RequestError: 422, it can't be read, ends before its last boundary, or holds too many
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise _refuse("its content type names no boundary")
    files = []
    for part in _split(body, boundary, 2 * most):
        name, content = _read_part(part)
        if name is not None:
            files.append((name, content))
    if len(files) > most:
        raise RequestError(422, f"{len(files)} files in a form, the limit is {most}: send several requests")
    return files


def _split(body: bytes, boundary: bytes, most: int) -> Iterator[bytes]:
    """The parts of a form, headers and content; what stands before the first boundary and behind the last is none."""
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, most + 2)
    for number, part in enumerate(parts):
        if part.startswith(b"--"):
            return
        if number == most:
            raise _refuse(f"it has more than {most} parts: send several requests")
        start = part.find(b"\r\n") + 2
        if start < 2 or part[: start - 2].strip(b" \t"):
            raise _refuse("it ends within a boundary" if start < 2 else "a boundary isn't alone in its line")
        yield part[start:]
    raise _refuse(
        "it ends before its last boundary" if parts else "the boundary that its content type names isn't in it"
    )


def _read_part(part: bytes) -> tuple[str | None, bytes]:
    """A file's name and content; the name is None of a field that is no file."""
    size = part.find(b"\r\n\r\n", 0, _MOST_HEADERS)
    for line in part[: max(0, size)].split(b"\r\n"):
        header, _, value = line.partition(b":")
        if header.strip().lower() == b"content-disposition":
            _, options = parse_options_header(value)
            if b"name" not in options:
                break
            name = options.get(b"filename")
            return None if name is None else _decode_name(name), part[size + 4 :]
    raise _refuse("a part has no Content-Disposition with a `name`")


def _decode_name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _refuse(reason: str) -> RequestError:
    return RequestError(422, f"the form can't be read ({reason}): send multipart/form-data")
