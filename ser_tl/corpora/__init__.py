"""Corpora: one file each, and manifests for the rest.

    load_corpus(name, root) -> a datasets.Dataset with the columns of ser_tl.data.schema

Importing this package enters every reader into CORPORA. A corpus of one's own needs no reader: a manifest will do
(ser_tl.corpora.manifest).
"""

from ser_tl.corpora.base import CORPORA as CORPORA
from ser_tl.corpora.base import CorpusReader as CorpusReader
from ser_tl.corpora.base import load_corpus as load_corpus
from ser_tl.corpora.base import register_corpus as register_corpus
from ser_tl.corpora.emobox import read_emobox as read_emobox
from ser_tl.corpora.emodb import read_emodb as read_emodb
from ser_tl.corpora.manifest import read_csv_manifest as read_csv_manifest
from ser_tl.corpora.manifest import read_jsonl_manifest as read_jsonl_manifest
from ser_tl.corpora.ravdess import read_ravdess as read_ravdess
