"""A student of a whole model: its loss by hand, what it hears of its teacher, and which teachers are refused."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import ser_tl as ser
from ser_tl.augment import AugmentConfig
from ser_tl.cache.cached import CachedClips
from ser_tl.comparison import with_model_size
from ser_tl.data.batching import Batch, collate
from ser_tl.distill import StudentTrainer, TeachConfig, load_teacher
from ser_tl.errors import CheckpointError, ConfigError, SplitError
from ser_tl.model import EmotionModel, Output
from ser_tl.modules.losses import Criterion
from ser_tl.training import Trainer
from ser_tl.training.part import Losses, Step
from ser_tl.training.parts.augmentation import Augmentation
from ser_tl.training.parts.balance import BalanceConfig, EmotionLoss
from ser_tl.training.parts.distillation import DistillationLoss
from ser_tl.transfer import STRATEGIES, Full
from tests.recipe_samples import load_recipe, tone_manifest
from tests.training.samples import tiny_model, tone_split, train_config, training_clips, untimed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"), takes=1)


@pytest.fixture
def run(split, tmp_path):
    """A teacher's run on the split, model and split.json in it."""
    model = tiny_model(seed=5, layers=[1])
    model.known_speakers = sorted({*split.train["speaker"], *split.dev["speaker"]})
    model.save_pretrained(tmp_path / "run" / "model")
    (tmp_path / "run" / "split.json").write_text(json.dumps(split.ids))
    return tmp_path / "run"


def student(run, split, config=None, strategy="full", **options):
    """The trainer of a tiny student, and its teacher."""
    teacher = load_teacher(run, split, config or TeachConfig())
    model = tiny_model(dropout=0.0)
    train = train_config(epochs=1)
    return StudentTrainer(model, STRATEGIES[strategy](), train, teacher=teacher, **options)


def fitted(trainer, split):
    torch.manual_seed(0)
    return untimed(trainer.fit(split.train, split.dev))


def taught(criterion, alpha, temperature, logits, labels, said):
    """The loss of each clip where a teacher said so: the part's own, after that of emotions."""
    count = len(labels)
    batch = Batch(torch.zeros(count, 1), torch.ones(count), torch.tensor(labels), [""] * count)
    batch.auxiliary = {"teacher": said}
    step = Step(Output(logits, logits, logits), batch, None, 0.0, None)
    losses = Losses(torch.zeros(count), torch.zeros(()), torch.zeros(()))
    for term in (EmotionLoss(criterion), DistillationLoss(TeachConfig(temperature, alpha))):
        losses = term(step, losses)
    return losses.utterances


def test_the_loss_is_its_formula():
    logits, teacher, labels = torch.tensor([[2.0, 0.0], [0.5, 1.5]]), [[1.0, 3.0], [0.0, 4.0]], [0, 1]
    alpha, heat, found = 0.7, 2.0, []
    for row, said, label in zip(logits.tolist(), teacher, labels, strict=True):
        q, p, plain = ([math.exp(x / t) for x in xs] for xs, t in ((row, heat), (said, heat), (row, 1.0)))
        q, p, plain = ([x / sum(xs) for x in xs] for xs in (q, p, plain))
        divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        found.append(alpha * heat**2 * divergence - (1 - alpha) * math.log(plain[label]))
    soft = (torch.tensor(teacher) / heat).softmax(dim=1)
    torch.testing.assert_close(taught(Criterion(), alpha, heat, logits, labels, soft), torch.tensor(found))


def test_the_loss_is_zero_where_the_student_agrees_even_on_what_is_impossible():
    loss = taught(Criterion(), 1.0, 2.0, torch.tensor([[400.0, 0.0]]), [0], torch.tensor([[1.0, 0.0]]))
    assert loss.tolist() == [0.0]


def test_class_weights_and_smoothing_are_the_labels_part_alone():
    logits, labels, said = torch.tensor([[2.0, 0.0]]), [0], torch.tensor([[0.3, 0.7]])
    usual, other = (Criterion(torch.tensor([w, 1.0]), smoothing=s) for w, s in ((1.0, 0.0), (3.0, 0.2)))
    one, two = (taught(criterion, 1.0, 2.0, logits, labels, said) for criterion in (usual, other))
    assert one.tolist() == two.tolist()
    half = taught(other, 0.0, 2.0, logits, labels, said)
    torch.testing.assert_close(half, other(logits, torch.tensor(labels)))


@pytest.mark.exhaustive
def test_without_a_share_for_the_teacher_training_is_the_plain_one(run, split):
    plain = Trainer(tiny_model(dropout=0.0), Full(), train_config(epochs=1))
    expected, trainer = fitted(plain, split), student(run, split, TeachConfig(alpha=0.0))
    found = fitted(trainer, split)
    assert found[0]["train_loss"] == pytest.approx(expected[0]["train_loss"], abs=1e-5)
    assert found[0]["dev_loss"] == pytest.approx(expected[0]["dev_loss"], abs=1e-4)
    other = fitted(student(run, split, TeachConfig(alpha=0.9)), split)
    assert abs(other[0]["train_loss"] - expected[0]["train_loss"]) > 1e-3


def test_lessons_are_the_teachers_logits_at_the_temperature_in_the_students_order(run, split):
    teacher = load_teacher(run, split, TeachConfig(temperature=3.0))
    labels = ["sadness", "anger", "neutral"]
    trainer = Trainer(tiny_model(), Full(), train_config(cache=False))
    lessons = teacher.predict_soft_labels(split.train, labels, trainer.accelerator, trainer.config)
    place = [teacher.model.labels.index(label) for label in labels]
    paths = [row["audio"]["path"] for row in split.train.select(range(3))]
    for row, said in zip(lessons, teacher.model.predict(paths), strict=False):
        p = np.array([said.probabilities[teacher.model.labels[at]] for at in place]) ** (1 / 3)
        np.testing.assert_allclose(row, p / p.sum(), atol=2e-3)


@pytest.mark.exhaustive
def test_a_frozen_student_is_taught_through_its_cache(run, split):
    trainer = student(run, split, strategy="frozen")
    clips = training_clips(trainer, split)
    assert isinstance(clips, CachedClips)
    assert clips[0].target is None
    assert clips[0].auxiliary["teacher"].shape == (3,)
    assert float(clips[0].auxiliary["teacher"].sum()) == pytest.approx(1.0)
    assert trainer.fit(split.train, split.dev)


def test_mixup_mixes_what_the_teacher_said_as_it_mixes_labels(run, split):
    trainer = student(run, split, augment=AugmentConfig(transforms={"mixup": {"probability": 1.0}}))
    clips = training_clips(trainer, split)
    batch = collate([clips[0], clips[5]])
    mixed = trainer.part(Augmentation).augment(batch, 0, 0, 0, 0)[0]
    share, said = mixed.targets[0].max(), batch.auxiliary["teacher"]
    assert 0.5 <= share < 1.0
    torch.testing.assert_close(mixed.auxiliary["teacher"][0], share * said[0] + (1 - share) * said[1])


@pytest.mark.exhaustive
def test_the_report_tells_the_teaching_and_whom_the_teacher_knows_the_student_knows(run, split):
    config = json.loads((run / "model" / "config.json").read_text())
    config["known_speakers"] = ["a_stranger"]  # names, as earlier versions wrote them
    (run / "model" / "config.json").write_text(json.dumps(config))
    trainer = student(run, split)
    trainer.fit(split.train, split.dev)
    report = trainer.evaluate(split.test)
    assert "a_stranger" in trainer.model.known_speakers
    told = report.facts["teaching"]
    sizes = [sum(one.numel() for one in model.parameters()) for model in (trainer.teacher.model, trainer.model)]
    assert (told["temperature"], told["alpha"], told["teacher"]) == (2.0, 0.7, str(run / "model"))
    assert told["ratio"] == round(sizes[0] / sizes[1], 2)
    assert any(note.startswith(f"distilled from {run / 'model'}") for note in report.notes)


def test_a_teacher_of_the_same_folds_is_found_by_their_names(run, split, tmp_path):
    (tmp_path / "folds").mkdir()
    run.rename(tmp_path / "folds" / split.name)
    assert load_teacher(tmp_path / "folds", split, TeachConfig()).folder.parent.name == split.name
    with pytest.raises(CheckpointError, match=r"expected the folder of a run of recipes/finetune_wav2vec2\.py"):
        load_teacher(tmp_path / "nowhere", split, TeachConfig())


@pytest.mark.parametrize("part", ["train", "dev"])
def test_a_teacher_that_heard_test_clips_is_refused(run, split, part):
    ids = split.ids | {part: [*split.ids[part], split.ids["test"][0]]}
    (run / "split.json").write_text(json.dumps(ids))
    with pytest.raises(SplitError, match=r"1 of the \d+ test clips.*train the teacher on these very splits"):
        load_teacher(run, split, TeachConfig(unchecked=True))


def test_a_teacher_that_knows_test_speakers_is_refused(run, split):
    turned = replace(split, train=split.test, test=split.train)
    with pytest.raises(
        SplitError, match=r"4 of the 4 test speakers.*train the teacher on these very splits.* A_1 and B_1"
    ):
        load_teacher(run, turned, TeachConfig(unchecked=True))


def test_a_teacher_of_unknown_origin_is_refused_unless_accepted_and_then_noted(run, split):
    (run / "split.json").unlink()
    with pytest.raises(SplitError, match=r"teach\.unchecked true takes it"):
        load_teacher(run, split, TeachConfig())
    (note,) = load_teacher(run, split, TeachConfig(unchecked=True)).notes
    assert "they may contain test clips" in note


def test_other_labels_than_the_teachers_are_refused(run, split):
    teacher = load_teacher(run, split, TeachConfig())
    model = tiny_model(labels=["anger", "fear", "neutral"])
    with pytest.raises(ConfigError, match=r"lacks sadness; the teacher lacks fear.*same `corpus` and `emotions`"):
        StudentTrainer(model, Full(), train_config(), teacher=teacher)


def test_what_a_teacher_cannot_hear_or_say_is_refused(run, split):
    with pytest.raises(ConfigError, match=r"choose balance\.sampling over"):
        fitted(student(run, split, balance=BalanceConfig(synthesise="smote")), split)
    with pytest.raises(ConfigError, match="expected more than 0"):
        TeachConfig(temperature=0.0)
    with pytest.raises(ConfigError, match=r"0 \(labels\) to 1 \(the teacher\)"):
        TeachConfig(alpha=1.2)


@pytest.mark.exhaustive
def test_the_recipe_trains_teacher_student_and_control(tmp_path, monkeypatch):
    recipe = load_recipe("distill_model")
    manifest = tone_manifest(tmp_path / "tones", takes=2)
    monkeypatch.setattr("ser_tl.model.emotion.load_encoder", lambda name, pretrained: tiny_model().encoder)
    options = ser.ModelDistillationOptions(
        corpus="csv", root=manifest, output=tmp_path / "run", train=train_config(epochs=1)
    )
    report = recipe.main(options)
    assert report.facts["teaching"]["teacher"] == str(tmp_path / "run" / "teacher" / "model")
    for name in ("teacher", "control"):
        own = json.loads((tmp_path / "run" / name / "report.json").read_text())
        assert "teaching" not in own["facts"]
        assert own["title"].startswith(name)
    assert EmotionModel.from_pretrained(tmp_path / "run" / "model").labels
    (tmp_path / "run" / "teacher" / "model" / "large").write_bytes(bytes(9 << 20))
    assert with_model_size(report, tmp_path / "run").facts["model_mib"] < 9
    again = recipe.main(replace(options, resume=True))  # all of it is there
    assert again.title == report.title
