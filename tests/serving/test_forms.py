"""Forms are read as a parser of streams reads them; what is cut short or makes no sense is refused with the reason."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

from ser_tl.serving.forms import parse_form
from ser_tl.serving.request_error import RequestError
from tests.serving.running import Running, encode, form, tone

KIND = "multipart/form-data; boundary=limit"
PART = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nabc'

CONTENTS = some.one_of(
    some.binary(max_size=60),
    some.lists(some.sampled_from([b"\r\n", b"--", b"limit", b"\r", b"\n", b":", b"x"]), max_size=8).map(b"".join),
).filter(lambda content: b"\r\n--limit" not in b"\r\n" + content)
NAMES = some.text("aé \t;=.\\'*%", max_size=8)


def write(parts):
    lines = []
    for name, content in parts:
        file = "" if name is None else f'; filename="{name}"'
        lines.append(
            f'--limit\r\ncontent-Disposition: form-data; name="n"{file}\r\nX-Other: a\r\n\r\n'.encode() + content
        )
    return b"\r\n".join([*lines, b"--limit--\r\n"])


def read_as_a_stream(body):
    """The files, by starlette and python-multipart."""

    async def parse():
        async def stream():
            yield body

        fields = (await MultiPartParser(Headers({"content-type": KIND}), stream()).parse()).multi_items()
        return [(one.filename, await one.read()) for _, one in fields if isinstance(one, UploadFile)]

    return asyncio.run(parse())


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(some.lists(some.tuples(some.none() | NAMES, CONTENTS), min_size=1, max_size=4))
def test_it_reads_what_a_parser_of_streams_reads(parts):
    body = write(parts)
    assert parse_form(body, KIND, 8) == read_as_a_stream(body)


def test_what_stands_around_the_parts_is_none_of_them():
    (found,) = parse_form(
        b"before\r\n" + PART.replace(b"limit\r", b"limit \t\r") + b"\r\n--limit--after" + PART, KIND, 1
    )
    assert found == ("a.wav", b"abc")
    quoted = 'multipart/form-data; charset=utf-8; boundary="a b"'
    assert parse_form(PART.replace(b"limit", b"a b") + b"\r\n--a b--", quoted, 1) == [found]
    latin = PART.replace(b"a.wav", "ä.wav".encode("latin-1")) + b"\r\n--limit--"
    assert parse_form(latin, KIND, 1) == [("ä.wav", b"abc")]
    assert parse_form(b"--limit--\r\n", KIND, 1) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "isn't in it"),
        (PART.replace(b"\r\n", b"\n") + b"\n--limit--", "ends within a boundary"),
        (PART, "ends before its last boundary"),
        (PART + b"\r\n" + PART[:-1], "ends before its last boundary"),
        (PART + b"\r\n--limi", "ends before its last boundary"),
        (PART + b"\r\n--limitless\r\nx\r\n" + PART + b"\r\n--limit--", "isn't alone in its line"),
        (b"--limit\r\n\r\nabc\r\n--limit--", "no Content-Disposition"),
        (b"--limit\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--limit--", "no Content-Disposition"),
        (
            PART.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 20_000 + b"\r\n\r\n") + b"\r\n--limit--",
            "no Content-Disposition",
        ),
        (b"\r\n".join([PART] * 3) + b"\r\n--limit--", "3 files in a form, the limit is 2"),
        (b"\r\n".join([PART] * 100_000) + b"\r\n--limit--", "more than 4 parts"),
    ],
)
def test_what_cant_be_read_is_refused(body, reason):
    with pytest.raises(RequestError, match=reason) as refused:
        parse_form(body, KIND, 2)
    assert refused.value.status == 422


def test_a_form_that_is_cut_short_loses_no_file_silently():
    clip = encode(tone())
    body, kind = form(("a.wav", clip), ("b.wav", clip))
    with Running() as server:
        assert server.post(body, Content_Type=kind).status == 200
        cut = server.post(body[:-1000], Content_Type=kind)
        assert (cut.status, "before its last boundary" in cut.json["error"]) == (422, True)
        (one,) = server.post(form(("a.wav", clip))[0] + b"x" * 10, Content_Type=kind).json["segments"]
        assert one["end"] == 1.0
