"""What a model's card says, and what it leaves out."""

import json

import pytest
from huggingface_hub import ModelCard

from ser_tl.card import CARD_FILE, Source, write_card
from ser_tl.card.sources import corpus_source, encoder_sources
from ser_tl.corpora import CORPORA
from ser_tl.encoders import ENCODERS
from ser_tl.evaluation import Report
from tests.evaluation.samples import LABELS, sample

FACTS = {
    "corpora": ["ravdess"],
    "languages": ["en"],
    "training_utterances": 800,
    "training_speakers": 14,
    "dev_speakers": 4,
    "strategy": "partial",
    "parameters": 5_000_000,
    "trainable_parameters": 1_500_000,
    "training_seconds": 93.0,
    "epochs": 10,
    "processes": 2,
    "device": "cpu",
    "machine": "x86_64, 2 cores",
    "seed": 3,
}


@pytest.fixture
def folder(tmp_path):
    config = {"labels": LABELS, "pooling": "mean", "encoder": {"name": "hubert-base", "family": "hubert"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def report(**changes):
    return Report.of(sample(), title="hubert-base on ravdess", notes=["two files left out"], facts=FACTS | changes)


def text(folder, **options):
    return write_card(folder, **options).read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_a_card_tells_score_data_model_use_and_limits(folder):
    made = report()
    card = text(
        folder, report=made, repo="team/tones@fold_1", options={"protocol": "kfold", "strategy_options": {"blocks": 2}}
    )
    for said in (
        f"**UAR {100 * made.uar:.1f} %** (95 % interval {100 * made.interval.low:.1f} to",
        "protocol kfold (groups of speakers held out in turn)",
        "no test speaker was used in training",
        "seed 3, one run",
        "- two files left out",
        "![Confusion matrix: rows are references, columns predictions](confusion.png)",
        "| Ryerson Audio-Visual Database of Emotional Speech",
        "CC BY-NC-SA 4.0",
        "800 utterances of 14 speakers, the epoch chosen on 4 more",
        "| encoder hubert-base | licence: Apache-2.0 |",
        "| strategy | partial |",
        "| strategy.blocks | 2 |",
        "5,000,000, of which 1,500,000 were trained",
        "1.6 min, 10 epochs",
        "2 process(es) on cpu; x86_64, 2 cores",
        'from_pretrained("team/tones", revision="fold_1")',
        'model="team/tones", revision="fold_1", trust_remote_code=True',
        "It should decide nothing about a person",
        "isn't equally good for everyone",
        "trained on en only",
        "Between the 5 speakers tested its UAR ranges from",
    ):
        assert said in card, said
    assert (folder / "confusion.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_a_corpus_or_encoder_that_forbids_commerce_marks_the_card(folder):
    card = ModelCard(text(folder, report=report()))
    assert "**Not for commercial use**: made from Ryerson" in str(card)
    assert (card.data.license, card.data.license_name) == ("other", "non-commercial")
    assert "non-commercial" in card.data.tags
    free = ModelCard(text(folder, report=report(corpora=["emodb"])))
    assert "commercial use" not in str(free)
    assert free.data.license_name == "see-data-and-encoder"
    (folder / "config.json").write_text((folder / "config.json").read_text().replace("hubert-base", "egemaps"))
    assert "made from egemaps (openSMILE's: non-commercial)" in text(folder, report=report(corpora=["emodb"]))


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_the_metadata_comes_back_with_the_scores(folder, hub):
    made = report()
    write_card(folder, report=made, options={"protocol": "loso"})
    card = ModelCard.load(folder / CARD_FILE)
    card.validate()  # by the hub on this machine
    data = card.data
    assert (data.language, data.library_name, data.pipeline_tag) == (["en"], "ser_tl", "audio-classification")
    assert data.base_model == ["facebook/hubert-base-ls960"]
    found = {result.metric_name: result for result in data.eval_results}
    uar = found["UAR (recall, mean over classes)"]
    assert uar.metric_value == pytest.approx(made.uar, abs=1e-4)
    assert uar.metric_args["interval_over_speakers"]["low"] == pytest.approx(made.interval.low)
    assert (uar.dataset_type, uar.dataset_split, uar.metric_type) == ("ravdess", "loso", "recall")
    assert found["WAR (accuracy)"].metric_value == pytest.approx(made.war, abs=1e-4)
    assert set(found) == {"UAR (recall, mean over classes)", "WAR (accuracy)", "macro F1"}


def test_without_report_or_run_nothing_is_claimed(folder):
    card = text(folder, note="Epoch 3 of a training that goes on.")
    assert "> Epoch 3 of a training that goes on." in card
    assert "comes without an evaluation" in card
    assert "What it was trained on wasn't recorded." in card
    assert "UAR" not in card
    assert "model-index" not in card
    assert not (folder / "confusion.png").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_scores_on_known_speakers_say_so(folder):
    card = text(folder, report=report(speaker_independent=False))
    assert "**NOT speaker-independent: speakers tested on were trained on as well**" in card
    assert "no test speaker was used" not in card


def test_a_card_on_a_folder_hub_shows_what_works_there(folder):
    card = text(folder, repo="file:///teamhub/me/tones")
    assert 'from_pretrained("file:///teamhub/me/tones")' in card
    assert "pipeline(" not in card


def test_an_encoder_from_a_folder_is_named_without_its_place(folder):
    (folder / "config.json").write_text((folder / "config.json").read_text().replace("hubert-base", "/home/me/mine"))
    card = text(folder)
    assert "encoder mine" in card
    assert "/home/me" not in card


@pytest.mark.parametrize(
    ("licence", "terms"),
    [
        ("CC BY-NC-SA 4.0", "non-commercial"),
        ("for research, on request", "non-commercial"),
        ("for academic purposes", "non-commercial"),
        ("openSMILE's: non-commercial", "non-commercial"),
        ("CC BY 4.0", "free"),
        ("CC0 1.0", "free"),
        ("ODbL 1.0, contents DbCL 1.0", "free"),
        ("Apache-2.0", "free"),
        ("none needed", "free"),
        ("sold: ask its authors", "unknown"),
        ("none stated", "unknown"),
        ("the data's own", "unknown"),
        ("see the hub", "unknown"),
        ("", "unknown"),
    ],
)
def test_licences_are_free_restricted_or_unknown(licence, terms):
    assert Source("x", "x", licence).terms == terms


def test_every_corpus_and_encoder_has_a_licence():
    assert all(reader.licence for reader in CORPORA.values())
    assert all(card.licence for card in ENCODERS.values())
    restricted = {name for name in CORPORA if corpus_source(name).terms == "non-commercial"}
    assert restricted >= {"ravdess", "tess", "nemo", "iemocap", "savee", "emotale", "shemo", "urdu"}
    assert {name for name in CORPORA if corpus_source(name).terms == "free"} == {
        "emodb",
        "emodb-mini",
        "cremad",
        "mesd",
    }


def test_what_no_registry_knows_is_said_to_be_unknown():
    assert corpus_source("call centre 7").terms == "unknown"
    assert "doesn't know" in corpus_source("call centre 7").licence
    found = encoder_sources("whisper-base+mfcc+org/name")
    assert [source.hub_id for source in found] == ["openai/whisper-base", "", "org/name"]
    assert [source.terms for source in found] == ["free", "free", "unknown"]
    assert encoder_sources("wav2vec2-mini")[0].hub_id == ""  # it lies in the package, not on a hub


def test_a_changed_model_keeps_purpose_data_and_terms_of_its_base_but_not_its_scores(folder, tmp_path):
    base = tmp_path / "base"
    write_card(base, model=folder, options={"corpus": "ravdess", "purpose": "Call centres."}, facts=FACTS)
    card = text(folder, note="adapted", base=base)
    head = ModelCard(card).data
    assert head.license_name == "non-commercial"
    assert "non-commercial" in head.tags
    assert head.language == ["en"]
    assert card.count("> **Not for commercial use**: made from") == 1
    assert "Call centres." in card
    assert "The model that it was made of:" in card
    assert "| The Ryerson" in card or "Ryerson" in card
    assert "Trained on 800 utterances of 14 speakers" in card
    assert "wasn't recorded" not in card
    assert "None: this model comes without an evaluation" in card
    once_more = text(folder, note="calibrated", base=folder)  # of a changed model's card as well
    assert once_more.count("The model that it was made of:") == 2
    assert "Trained on 800 utterances of 14 speakers" in once_more
    assert ModelCard(once_more).data.license_name == "non-commercial"


def test_corpora_that_a_model_was_fitted_to_anew_stand_beside_those_of_its_base(folder, tmp_path):
    base = tmp_path / "base"
    write_card(base, model=folder, options={"corpus": "ravdess"})
    card = text(folder, options={"corpus": "emodb"}, base=base)
    data = card.split("## Data")[1].split("## Model")[0]
    assert data.index("Berlin") < data.index("The model that it was made of:") < data.index("Ryerson")
    assert ModelCard(card).data.language == ["de", "en"]
    assert "It was trained on de, en only" in card


@pytest.mark.parametrize(
    "content", ["", "no head", "---\n: {broken\n---\n\n# A title\n", "---\n- a list\n---\n", "## Data", "\xff"]
)
def test_a_base_card_of_any_other_form_gives_what_it_has(content, folder, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / CARD_FILE).write_text(content, encoding="latin-1")
    assert "What it was trained on wasn't recorded." in text(folder, base=tmp_path / "base")
    assert "What it was trained on wasn't recorded." in text(folder, base=tmp_path / "nowhere")


def test_terms_that_a_card_states_in_its_head_alone_hold_as_well(folder, tmp_path):
    (tmp_path / "base").mkdir()
    head = "---\nlicense: other\nlicense_name: non-commercial\nlanguage: de\n---\n"
    (tmp_path / "base" / CARD_FILE).write_text(f"{head}\n# Mine\n\n## Data\n\nCalls of 2024.\n")
    card = text(folder, base=tmp_path / "base")
    assert "> **Not for commercial use**: the model that it was made of isn't." in card
    assert "Calls of 2024." in card
    assert ModelCard(card).data.language == ["de"]
