"""Corpora: one file each, and manifests for the rest.

    load_corpus(name, root) -> a datasets.Dataset with the columns of ser_tl.data.schema
    load_corpora([name:root, ...]) -> several as one, and notes on what was merged and renamed

Importing this package registers every reader in CORPORA. Your own corpus needs no reader: a manifest will do
(ser_tl.corpora.manifest).
"""

from ser_tl.corpora.audformat import read_audformat as read_audformat
from ser_tl.corpora.base import CORPORA as CORPORA
from ser_tl.corpora.base import CorpusReader as CorpusReader
from ser_tl.corpora.base import register_corpus as register_corpus
from ser_tl.corpora.casia import read_casia as read_casia
from ser_tl.corpora.cremad import read_cremad as read_cremad
from ser_tl.corpora.emobox import read_emobox as read_emobox
from ser_tl.corpora.emodb import read_emodb as read_emodb
from ser_tl.corpora.emotale import read_emotale as read_emotale
from ser_tl.corpora.emovo import read_emovo as read_emovo
from ser_tl.corpora.filename import filename_corpus as filename_corpus
from ser_tl.corpora.folder import read_folder as read_folder
from ser_tl.corpora.huggingface import read_huggingface as read_huggingface
from ser_tl.corpora.iemocap import read_iemocap as read_iemocap
from ser_tl.corpora.iemocap import read_iemocap_4 as read_iemocap_4
from ser_tl.corpora.iemocap import read_iemocap_5 as read_iemocap_5
from ser_tl.corpora.iemocap import read_iemocap_6 as read_iemocap_6
from ser_tl.corpora.manifest import read_csv_manifest as read_csv_manifest
from ser_tl.corpora.manifest import read_jsonl_manifest as read_jsonl_manifest
from ser_tl.corpora.mesd import read_mesd as read_mesd
from ser_tl.corpora.nemo import read_nemo as read_nemo
from ser_tl.corpora.ravdess import read_ravdess as read_ravdess
from ser_tl.corpora.savee import read_savee as read_savee
from ser_tl.corpora.several import CorpusNames as CorpusNames
from ser_tl.corpora.several import CorpusSource as CorpusSource
from ser_tl.corpora.several import corpus_title as corpus_title
from ser_tl.corpora.several import load_corpora as load_corpora
from ser_tl.corpora.several import load_corpus as load_corpus
from ser_tl.corpora.several import parse_sources as parse_sources
from ser_tl.corpora.shemo import read_shemo as read_shemo
from ser_tl.corpora.tess import read_tess as read_tess
from ser_tl.corpora.urdu import read_urdu as read_urdu
