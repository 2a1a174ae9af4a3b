"""What an archive's source can be, and its clips in one order.

    folder, pattern, list, tar, Hugging Face folder, Shar, cuts --list_clips()--> Clip, Clip, ...

One file a kind. What is no recording is counted, what can't be read is a clip with a problem: nothing is passed over in
silence. Listing reads names and headers, never samples.
"""

from collections import Counter
from collections.abc import Iterator

from ser_tl.archive.clip import Clip
from ser_tl.archive.sources import arrow, folder, lhotse, table, tar
from ser_tl.archive.storage import expand, find_kind, is_pattern, is_remote, make_absolute
from ser_tl.errors import CorpusError


def list_clips(source: str, skipped: Counter[str]) -> Iterator[Clip]:
    """The clips of a source.

    Args:
        source: a path, pattern or URL
        skipped: gets the number of files that are no recordings, by the ending of their names

    Raises:
        CorpusError: there is no such source, or it isn't what it seems
        StorageError: a remote storage doesn't answer
    """
    if is_pattern(source) and (is_remote(source) or find_kind(source) == "nothing"):
        for path in expand(source):
            yield from folder.list_file(path, path.rsplit("/", 1)[-1] if is_tar(path) else path, skipped)
        return
    path = make_absolute(source)
    kind = find_kind(path)
    if kind == "nothing":
        raise CorpusError(
            f"{source}: no such file or folder: name a folder, a pattern in quotes, a list (CSV, TSV, JSON lines, "
            f"Parquet, text), tars, a dataset that was saved to disk, a Shar or cuts"
        )
    if kind == "folder":
        if arrow.is_saved(path):
            yield from arrow.list_saved(path)
        elif lhotse.is_shar(path):
            yield from lhotse.list_shar(path)
        else:
            yield from folder.list_folder(path, skipped)
    elif lhotse.is_cuts(path):
        yield from lhotse.list_cuts(path)
    elif table.is_table(path):
        yield from table.list_table(path)
    else:
        yield from folder.list_file(path, path.rsplit("/", 1)[-1], skipped, named=True)


def is_tar(path: str) -> bool:
    """Whether a name is that of a tar."""
    return tar.is_tar(path)
