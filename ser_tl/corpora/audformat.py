"""Databases in audformat, the format of audEERING's open databases (audeering.github.io/audformat).

    ROOT/db.yaml, its tables and its media  ->  rows of the table with the emotions, speakers from any table

A database is a header and tables indexed by file, or by file, start and end. The emotions are the column (or scheme)
emotion, the speakers the column, the scheme or the label of a scheme that is called speaker, in any table; so are the
other columns of `corpora.table`. The option columns renames others: {"emotion": "category"}. It also
chooses the table, {"table": "emotion.test"}: needed where several have emotions and none is called emotion. EMO-DB 2.0,
for one, has the laryngograms of all clips in tables of their own.

Needs the package audformat: pip install "ser_tl[audformat]". Ids are the files' names without ending, where no two
files share one, with @start-end for segments. Languages become ISO 639-1 codes; without such a column, the
header's only language counts. A database's media may be missing (audb loads them apart): that is an error here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset

from ser_tl.corpora.base import register_corpus, wrong_root
from ser_tl.corpora.table import LABELS, build_rows, format_span, resolve_columns, shorten_names
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.schema import build_corpus
from ser_tl.errors import CorpusError, listing

LAYOUT = "the folder of an audformat database, with db.yaml in it"
NEEDED = ("emotion",)
COLUMNS = tuple(name for name in LABELS if name not in ("start", "end", "corpus"))  # these are the format's own


@register_corpus(
    "audformat",
    title="audformat database",
    languages=(),
    licence="the data's own",
    layout=LAYOUT,
    takes_columns=True,
)
def read_audformat(root: Path, emotions: EmotionMap, columns: Mapping[str, str]) -> Dataset:
    """The corpus that an audformat database holds.

    Raises:
        CorpusError: the package audformat isn't there, no database, no table to choose, rows without emotion or speaker
        ConfigError: `columns` has a name that isn't ours
    """
    if not (root / "db.yaml").is_file():
        raise wrong_root(root, LAYOUT)
    try:
        import audformat
    except ImportError as error:
        raise CorpusError(f'{root}: needs the package audformat: pip install "ser_tl[audformat]"') from error
    pickles = sorted(path.name for path in root.glob("db.*.pkl"))
    if pickles:
        raise CorpusError(
            f"{root}: {len(pickles)} tables are stored as pickles, which audformat would read first and which can run "
            f"any program; delete them where the table is there as CSV or Parquet too, or save the database again\n"
            f"{listing(pickles)}"
        )
    try:
        database = audformat.Database.load(str(root), load_data=True)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CorpusError(f"{root}: audformat can't load it ({type(error).__name__}: {error}); restore it") from error
    named = {name: column for name, column in columns.items() if name != "table"}
    available = _list_names(database)
    column_of = resolve_columns(available, named, names=COLUMNS, needed=NEEDED, source=root)
    table = _choose_table(database, column_of["emotion"], columns.get("table"), root)
    others = [column for name, column in column_of.items() if name != "emotion"]
    try:
        frame = database.get(column_of["emotion"], others, tables=[table])
    except (ValueError, TypeError) as error:
        raise CorpusError(
            f"{root}: the tables contradict each other ({error}); correct them, or choose another column or table"
        ) from error
    frame = frame.astype(object).where(frame.notna(), None)
    index: Any = audformat.utils.to_segmented_index(frame.index)
    times = index.to_frame(index=False)
    cells = [{name: _unbox(row[column]) for name, column in column_of.items()} for row in frame.to_dict("records")]
    source, records = f"{root}, table {table}", list(enumerate(cells))
    rows = build_rows(records, emotions, source=source, needed=NEEDED, corpus=database.name, unit="row")
    files = times["file"].tolist()
    starts, ends = (times[name].dt.total_seconds().tolist() for name in ("start", "end"))
    segmented = audformat.is_segmented_index(frame.index)
    language = database.languages[0] if len(database.languages) == 1 else "und"
    for row, file, name, start, end in zip(rows, files, shorten_names(files), starts, ends, strict=True):
        row["audio"] = root / file
        if segmented:
            row |= {"start": start, "end": None if end != end else end}  # NaN: to the file's end
        row["id"] = row["id"] or name + format_span(row)
        row["language"] = _shorten_code(language if row["language"] == "und" else row["language"])
    return build_corpus(rows, source=str(root), mapping=emotions)


def _list_names(database: Any) -> list[str]:  # noqa: ANN401 - the package is optional
    """All names of values: columns of tables, schemes, and the fields of a scheme's labels."""
    names = [name for table in database.tables.values() for name in table.columns] + list(database.schemes)
    for name, scheme in database.schemes.items():
        if name in database.misc_tables:  # audformat itself looks where scheme and table share their name
            names += list(database.misc_tables[name].columns)
        elif isinstance(scheme.labels, dict):
            names += [key for label in scheme.labels.values() if isinstance(label, dict) for key in label]
    return list(dict.fromkeys(names))


def _choose_table(database: Any, emotion: str, chosen: str | None, root: Path) -> str:  # noqa: ANN401
    """The table whose rows are the utterances."""
    candidates = [
        name
        for name, table in database.tables.items()
        if any(emotion in (column, column_facts.scheme_id) for column, column_facts in table.columns.items())
    ]
    if chosen is not None and chosen not in candidates:
        raise CorpusError(
            f"{root}: there is no table {chosen} with {emotion}; found are {', '.join(candidates) or 'none'}"
        )
    default = "emotion" if "emotion" in candidates else candidates[0] if len(candidates) == 1 else None
    name = chosen or default
    if name is None:
        raise CorpusError(
            f"{root}: {len(candidates)} tables have the column {emotion} ({', '.join(candidates)}); choose one with "
            f"`columns` '{{table: NAME}}'"
        )
    return name


def _unbox(value: Any) -> Any:  # noqa: ANN401
    """A cell as Python's own type: the tables' numbers are numpy's."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _shorten_code(language: str) -> str:
    """The ISO 639-1 code of a language that audformat writes in ISO 639-3; as it is where there is none."""
    from iso639 import Lang
    from iso639.exceptions import InvalidLanguageValue

    try:
        return Lang(language).pt1 or language
    except InvalidLanguageValue:
        return language
