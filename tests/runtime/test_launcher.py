"""Every option of Accelerate's launcher that reaches a training is obeyed as an option of ours, or refused."""

import re
from pathlib import Path

import accelerate
import pytest
import torch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env, prepare_simple_launcher_cmd_env, setup_fp8_env

from ser_tl.errors import ConfigError
from ser_tl.runtime.launcher import EQUAL, INERT, OBEYED, REFUSED, REFUSED_GROUPS, check_launcher
from ser_tl.runtime.processes import build_accelerator, on_cpu, processes
from ser_tl.training import Trainer
from ser_tl.transfer import Frozen
from tests.training.samples import tiny_model, tone_split, train_config

SOURCE = Path(accelerate.__file__).parent
READ = {
    name
    for path in SOURCE.rglob("*.py")
    for name in re.findall(r"\bACCELERATE_[A-Z0-9_]*[A-Z0-9]\b", path.read_text(encoding="utf-8"))
}


def grouped(name):
    return name.startswith(tuple(REFUSED_GROUPS))


@pytest.mark.parametrize("name", sorted(READ))
def test_every_variable_that_accelerate_knows_is_obeyed_refused_or_inert(name):
    places = [name in OBEYED, name in REFUSED, name in EQUAL, name in INERT, grouped(name)]
    assert sum(places) == 1, "a variable that a new Accelerate reads: obey it, or refuse it"


def launched(monkeypatch, *options, several=False):
    """What `accelerate launch OPTIONS` puts into a program's environment."""
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    arguments = launch_command_parser().parse_args(["--config_file", str(config), *options, "train.py"])
    arguments, _, _ = _validate_launch_command(arguments)
    if several:
        arguments.num_processes = 2
        environment = prepare_multi_gpu_env(arguments)
    else:
        _, environment = prepare_simple_launcher_cmd_env(arguments)
    return {name: value for name, value in environment.items() if name.startswith("ACCELERATE_")}


config = Path(__file__).parents[2] / "recipes" / "accelerate" / "gpus.yaml"

LAUNCHES = [
    (("--mixed_precision", "bf16"), {}, r"MIXED_PRECISION.*train\.precision is no.*choose train\.precision bf16"),
    (("--mixed_precision", "bf16"), {"precision": "bf16"}, None),
    (("--mixed_precision", "bf16"), {"precision": "auto"}, r"train\.precision is auto.*train\.precision bf16"),
    (("--mixed_precision", "fp16"), {"precision": "bf16"}, "choose train.precision fp16"),
    (("--mixed_precision", "no"), {"precision": "bf16"}, None),  # also what the launcher says unasked
    ((), {}, None),
    (("--dynamo_backend", "inductor"), {}, "DYNAMO_BACKEND.*train.compile true"),
    (("--dynamo_backend", "inductor"), {"compile": True}, "DYNAMO_BACKEND"),  # else it would be compiled twice
    (("--dynamo_mode", "max-autotune"), {}, "DYNAMO_MODE"),
    (("--dynamo_use_dynamic",), {}, "DYNAMO_USE_DYNAMIC"),
    (("--dynamo_use_fullgraph",), {}, "DYNAMO_USE_FULLGRAPH"),
    (("--dynamo_use_regional_compilation",), {}, "DYNAMO_USE_REGIONAL_COMPILATION"),
    (("--enable_cpu_affinity",), {}, None),
    (("--debug",), {}, None),
    (("--num_cpu_threads_per_process", "2"), {}, None),
    (("--cpu",), {}, None),
]


@pytest.mark.parametrize(("options", "changes", "refusal"), LAUNCHES, ids=lambda value: str(value))
@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_what_the_launcher_sets_is_obeyed_or_refused(monkeypatch, options, changes, refusal, several):
    environment = launched(monkeypatch, *options, several=several)
    assert environment, "the launcher says nothing"
    if refusal is None:
        check_launcher(train_config(**changes), environment)
    else:
        with pytest.raises(ConfigError, match=refusal):
            check_launcher(train_config(**changes), environment)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4", "train.accumulate is 1.*train.accumulate 4"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "four", "train.accumulate is 1"),
        ("ACCELERATE_GRADIENT_CLIPPING", "0.5", "train.clip is 1.0.*train.clip 0.5"),
        ("ACCELERATE_USE_FSDP", "True", "asks for FSDP.*train.shard true"),
        ("ACCELERATE_USE_DEEPSPEED", "true", "asks for DEEPSPEED"),
        ("ACCELERATE_USE_MEGATRON_LM", "true", "asks for MEGATRON_LM"),
        ("ACCELERATE_USE_PARALLELISM_CONFIG", "true", "asks for PARALLELISM_CONFIG"),
        ("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2", "DEEPSPEED_ZERO_STAGE"),
        ("ACCELERATE_MIXED_PRECISION", "fp8", "fp8 isn't supported: choose train.precision bf16"),
        ("ACCELERATE_FP8_BACKEND", "TE", "fp8 isn't supported"),
        ("ACCELERATE_DOWNCAST_BF16", "yes", "TPUs aren't supported"),
        ("ACCELERATE_SAGEMAKER_DISTRIBUTED_TYPE", "DATA_PARALLEL", "SageMaker"),
    ],
)
def test_variables_are_refused_with_the_option_to_use(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        build_accelerator(train_config(), None)


@pytest.mark.parametrize("name", sorted({*REFUSED, *EQUAL}))
def test_what_asks_for_nothing_is_no_reason_to_refuse(name):
    nothing = REFUSED[name][0] if name in REFUSED else "auto" if name != "ACCELERATE_MIXED_PRECISION" else "no"
    check_launcher(train_config(), {name: nothing.upper()})


def test_fp8_options_come_with_fp8():
    options = launch_command_parser().parse_args(["--mixed_precision", "fp8", "--fp8_backend", "te", "train.py"])
    with pytest.raises(ConfigError, match="fp8"):
        check_launcher(train_config(), setup_fp8_env(options, {}))


@pytest.mark.exhaustive
@pytest.mark.slow
def test_an_accumulation_that_both_name_is_done_once(tmp_path, monkeypatch):
    """Accelerate divides each loss by what the variable says, whoever accumulates."""
    split = tone_split(tmp_path, takes=1)

    def weights():
        trainer = Trainer(
            tiny_model(),
            Frozen(),
            train_config(epochs=1, batch_seconds=2.0, accumulate=4, clip=0.01, optimizer="radam"),
        )
        (record,) = trainer.fit(split.train, split.dev)
        return record["train_loss"], trainer.model.state_dict()

    loss, expected = weights()
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    assert Trainer(tiny_model(), Frozen(), train_config(accumulate=4)).accelerator.gradient_accumulation_steps == 1
    again, found = weights()
    assert again == loss
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_the_launcher_s_cpu_is_obeyed_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    assert not on_cpu()
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    assert on_cpu()
    assert str(processes().device) == "cpu"
    with pytest.raises(ConfigError, match="needs a GPU"):
        build_accelerator(train_config(precision="fp16"), None)


@pytest.mark.parametrize(
    ("tracker", "message"),
    [
        ("wandb", r"tracker is wandb, which isn't installed: `pip install wandb`, or take one of .*tensorboard.*none"),
        ("mlflow", "pip install mlflow"),
        ("comet_ml", "pip install comet-ml"),
        ("wandbb", r"wandbb, which is none of Accelerate's trackers \(.*wandb"),
    ],
)
def test_a_tracker_that_is_not_installed_is_refused_before_training(tmp_path, tracker, message):
    with pytest.raises(ConfigError, match=message):
        build_accelerator(train_config(tracker=tracker), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tracker", ["tensorboard", "none", "all"])
def test_trackers_that_are_here_are_taken(tmp_path, tracker):
    assert build_accelerator(train_config(tracker=tracker), tmp_path).trackers == []
