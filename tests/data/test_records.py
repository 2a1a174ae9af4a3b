"""Tables that spreadsheets write: read, or refused for the true reason."""

import pytest

from ser_tl.data.records import read_csv, read_jsonl
from ser_tl.errors import CorpusError


def refused(path, content, *parts, read=read_csv):
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        read(path)
    for part in (str(path), *parts):
        assert part in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("read", [read_csv, read_jsonl])
def test_utf_16_is_not_called_latin_1(encoding, read, tmp_path):
    message = refused(tmp_path / "a.csv", "file,label\na,b\n".encode(encoding), "iconv -f utf-16 -t utf-8", read=read)
    assert "atin" not in message


def test_latin_1_is_still_told(tmp_path):
    refused(tmp_path / "a.csv", "file,label\na,fröhlich\n".encode("latin-1"), "line 2: not UTF-8", "iconv -f latin1")


@pytest.mark.parametrize("start", [b"sep=,\n", b"sep=,\r\n", b"\xef\xbb\xbfsep=,\r\n", b'"sep=,"\n', b""])
def test_the_line_for_excel_is_passed_over(start, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(start + b'file,label\n"a,1",b\n')
    lines = start.count(b"\n") + 2
    assert read_csv(path) == [(lines, {"file": "a,1", "label": "b"})]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("start", ["sep={}\r\n", '"sep={}"\n', "\ufeffsep={}\n", ""])
def test_another_separator_is_not_blamed_on_quotes(separator, start, tmp_path):
    table = start.format(separator) + f'"file"{separator}"label"\n"a"{separator}"b"\n'
    message = refused(tmp_path / "a.csv", table.encode(), repr(separator), "save it with commas")
    assert "quote" not in message
