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


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("start", ["sep={}\r\n", '"sep={}"\n', "\ufeffsep={}\n", "", "\n"])
@pytest.mark.parametrize("quote", ['"', ""])
def test_any_usual_separator_is_read(separator, start, quote, tmp_path):
    first = '"a,1;x\t|"'  # a value may hold every separator, in quotes
    path = tmp_path / "a.csv"
    path.write_bytes(
        (start.format(separator) + f"{quote}file{quote}{separator}{quote}label{quote}\n{first}{separator}b\n").encode()
    )
    assert [row for _, row in read_csv(path)] == [{"file": "a,1;x\t|", "label": "b"}]


def test_a_column_whose_quoted_name_holds_separators_is_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('"what; is; it?",label\nx,y\n')
    assert read_csv(path) == [(2, {"what; is; it?": "x", "label": "y"})]


def test_rows_of_another_separator_are_refused(tmp_path):
    refused(tmp_path / "a.csv", b"file;label\na;b\nc,d\n", "1 lines don't have the 2 fields", "';' separates", "line 3")
