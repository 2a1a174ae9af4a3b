"""lhotse's manifests and its Shar format, read as they are: JSON lines and tars, without lhotse.

    FOLDER/cuts.000000.jsonl.gz, recording.000000.tar --list_shar--> Clip(cut id, reader="tar")
    cuts.jsonl.gz, recordings.jsonl.gz --list_cuts--> Clip(id, path, start, end, channel)

Cuts that are more than a part of a file (mixed, with transforms, over several files) are left to lhotse itself, where
it is installed.
"""

import gzip
import json
import tarfile
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from ser_tl.archive.clip import Clip
from ser_tl.archive.sources.columns import Facts, read_facts
from ser_tl.archive.sources.tar import open_tar
from ser_tl.archive.storage import make_absolute, open_file, walk
from ser_tl.errors import ConfigError, CorpusError

_CUTS = {"MonoCut", "MultiCut", "MixedCut", "PaddingCut"}
_ROUNDING = 1e-3  # seconds


def is_shar(folder: str) -> bool:
    """Whether a folder is a Shar: its cuts are numbered and lie beside the tars of their recordings."""
    return bool(_shar_files(folder, "cuts"))


def is_cuts(path: str) -> bool:
    """Whether a file of JSON lines holds lhotse's cuts or recordings."""
    if not path.lower().removesuffix(".gz").endswith(".jsonl"):
        return False
    try:
        first = next(_read_lines(path), None)
    except CorpusError:
        return False  # whoever reads it as a list tells what is wrong
    return first is not None and (first.get("type") in _CUTS or {"id", "sources", "sampling_rate"} <= first.keys())


def list_shar(folder: str) -> Iterator[Clip]:
    """The cuts of a Shar, each with its member of a tar.

    Raises:
        CorpusError: cuts and tars don't belong together
    """
    cuts, tars = _shar_files(folder, "cuts"), _shar_files(folder, "recording")
    if len(cuts) != len(tars):
        raise CorpusError(
            f"{folder}: {len(cuts)} files of cuts and {len(tars)} of recordings, expected as many: complete the Shar"
        )
    for path, tar in zip(cuts, tars, strict=True):
        members = _list_members(tar)
        for number, cut in enumerate(_read_lines(path), 1):
            member = next(members, None)
            if isinstance(member, tarfile.TarInfo) and member.name.rpartition(".")[0] != str(cut.get("id")):
                raise CorpusError(
                    f"{path}, line {number}: cut {cut.get('id')!r} has the recording {member.name!r} beside it in "
                    f"{tar}: the two files don't belong together; write the Shar again"
                )
            yield _shar_clip(cut, tar, member)


def _shar_clip(cut: dict[str, Any], tar: str, member: tarfile.TarInfo | str | None) -> Clip:
    clip = _find_facts(cut).add_to(Clip(str(cut["id"]), tar, "tar"))
    if not isinstance(member, tarfile.TarInfo):
        return clip._replace(problem=f"{tar}: no recording of the cut {clip.id} ({member or 'the tar ends before'})")
    if member.name.endswith(".nodata"):
        return clip._replace(member=member.name, problem=f"{tar}: {member.name}: a cut without a recording")
    start, end = _span(cut)
    return clip._replace(start=start, end=end, member=member.name, offset=member.offset_data, size=member.size)


def _list_members(path: str) -> Iterator[tarfile.TarInfo | str]:
    """A Shar tar's recordings, without the JSON behind each; what is wrong with the tar for those it doesn't have."""
    try:
        with open_tar(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # ty: ignore[missing-attribute] - it would keep all of them
                if not member.name.endswith((".json", ".nometa")):
                    yield member
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        while True:
            yield f"the tar can't be read to its end, {error}"


def shar_fields(folder: str) -> list[str]:
    """The numbers of a Shar's files, such as 000000, in their order."""
    return [path.rsplit("/", 1)[-1].split(".")[1] for path in _shar_files(folder, "recording")]


def _shar_files(folder: str, field: str) -> list[str]:
    inner = (entry for entry in walk(folder) if "/" not in entry.name and entry.problem is None)
    names = {entry.name: entry.path for entry in inner if entry.name.startswith(f"{field}.")}
    return [names[name] for name in sorted(names) if len(name.split(".")) > 2 and name.split(".")[1].isdigit()]


def list_cuts(path: str) -> Iterator[Clip]:
    """The cuts or recordings of a manifest.

    Raises:
        CorpusError: a line is neither
        ConfigError: cuts that lhotse has to put together, and it isn't installed
    """
    for number, item in enumerate(_read_lines(path), 1):
        try:
            yield _recording_clip(item) if "sources" in item else _cut_clip(item)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise CorpusError(
                f"{path}, line {number}: neither a cut nor a recording of lhotse ({error!r}): write the manifest again"
            ) from error


def _recording_clip(item: dict[str, Any]) -> Clip:
    source = item["sources"][0]
    if len(item["sources"]) > 1 or source["type"] not in ("file", "url") or item.get("transforms"):
        return _lhotse_clip(item, str(item["id"]))
    return Clip(str(item["id"]), make_absolute(source["source"]))


def _cut_clip(item: dict[str, Any]) -> Clip:
    recording = item.get("recording")
    channels = item.get("channel")
    plain = item["type"] in ("MonoCut", "MultiCut") and recording is not None and not recording.get("transforms")
    sources = (recording or {}).get("sources", [])
    wanted = set(channels if isinstance(channels, list) else [channels])
    source = next((candidate for candidate in sources if wanted <= set(candidate["channels"])), None)
    whole = source is not None and wanted == set(source["channels"])
    if not plain or source is None or source["type"] not in ("file", "url") or not (whole or len(wanted) == 1):
        return _lhotse_clip(item, str(item["id"]))
    start, end = _span(item)
    channel = None if whole else source["channels"].index(channels if not isinstance(channels, list) else channels[0])
    path = make_absolute(source["source"])
    return _find_facts(item).add_to(Clip(str(item["id"]), path, start=start, end=end, channel=channel))


def _lhotse_clip(item: dict[str, Any], identity: str) -> Clip:
    if find_spec("lhotse") is None:
        raise ConfigError(
            f"{identity}: a cut that lhotse has to put together (mixed, transformed, or over several files), and "
            f"lhotse isn't installed: pip install lhotse"
        )
    return _find_facts(item).add_to(Clip(identity, identity, "lhotse", member=json.dumps(item, ensure_ascii=False)))


def _span(item: dict[str, Any]) -> tuple[float | None, float | None]:
    """The part of the recording that a cut is; None where it is all of it."""
    start, length = float(item["start"]), float(item["duration"])
    whole = float(item["recording"]["duration"])
    if start < _ROUNDING and abs(length - whole) < _ROUNDING:
        return None, None
    return start, min(start + length, whole)


def _find_facts(item: dict[str, Any]) -> Facts:
    return read_facts({**(item.get("custom") or {}), **(item.get("supervisions") or [{}])[0]})


def _read_lines(path: str) -> Iterator[dict[str, Any]]:
    with open_file(path) as raw:
        stream = gzip.GzipFile(fileobj=raw) if path.lower().endswith(".gz") else raw
        try:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    item = json.loads(line)
                    if not isinstance(item, dict):
                        raise CorpusError(f"{path}, line {number}: no object, expected one per line")
                    yield item
        except (ValueError, OSError, EOFError, zlib.error) as error:
            raise CorpusError(f"{path}: JSON lines that can't be read ({error}): write the manifest again") from error
