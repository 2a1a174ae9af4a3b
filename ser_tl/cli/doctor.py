"""Tells what an installation has and what ails it: the first thing that a bug report needs.

    installed versions, whether each loads, what the ranges ask for --problems and ways out--> status 0 or 1
    devices, threads, precision, cache, free disk                   --facts-->

Works where torch, torchaudio or any other package can't be loaded: `loading` tries them in another process.
"""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from jsonargparse import Namespace

from ser_tl.cli.loading import Attempt, try_imports
from ser_tl.cli.table import print_table
from ser_tl.dependencies import explain, installed_version
from ser_tl.user_cache import find_cache_folder

NEEDED = {
    "numpy": "numpy",
    "torch": "torch",
    "torchaudio": "torchaudio",
    "safetensors": "safetensors.torch",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "scikit-learn": "sklearn.linear_model",
    "datasets": "datasets",
    "transformers": "transformers",
    "huggingface_hub": "huggingface_hub",
    "accelerate": "accelerate",
    "peft": "peft",
    "evaluate": "evaluate",
    "matplotlib": "matplotlib.pyplot",
    "tensorboard": "torch.utils.tensorboard",
}
"""Distributions, and the module of each whose import loads what is heavy in it."""

EXTRAS = {name: name for name in ("opensmile", "audformat", "librosa", "optuna")} | {"imbalanced-learn": "imblearn"}
"""Those that may be missing."""

OWN = "ser_tl.model"
"""Of this package: what predicting needs."""


def doctor(options: Namespace) -> int:  # noqa: ARG001
    """Prints versions, imports, devices, threads, precision, cache and disk; status 1 if something is wrong."""
    extras = {name: module for name, module in EXTRAS.items() if installed_version(name) is not None}
    print(f"ser_tl {installed_version('ser_tl')} in {Path(__file__).parents[1]}")
    print(f"Python {platform.python_version()} in {sys.prefix}, {platform.platform()}\n", flush=True)
    attempts = try_imports([*NEEDED.values(), *extras.values(), OWN])
    rows = [_row(name, attempts[module]) for name, module in (NEEDED | extras).items()]
    print_table(["package", "version", "loads"], [*rows, _row("ser_tl", attempts[OWN])])
    print()
    torch_loads = attempts["torch"].error is None
    for name, fact in {"devices": _devices, "threads": _threads, "precision": _precision}.items():
        print(f"{name:10} {_try_fact(fact) if torch_loads else 'unknown, as torch does not load'}", flush=True)
    for name, fact in {"cache": _cache, "free disk": _disk}.items():
        print(f"{name:10} {_try_fact(fact)}")
    problems = _problems(attempts, extras)
    print()
    for problem in problems:
        print(f"problem: {problem}")
    if not problems:
        print("all is well")
    return 1 if problems else 0


def _row(name: str, attempt: Attempt) -> list[str]:
    loads = f"in {attempt.seconds:.1f} s" if attempt.error is None else f"NO: {attempt.error[:100]}"
    return [name, installed_version(name) or "not installed", loads]


def _problems(attempts: dict[str, Attempt], extras: dict[str, str]) -> list[str]:
    """What is wrong, each in a line with the way out."""
    problems = _outside_ranges()
    for name, module in (NEEDED | extras).items():
        error = attempts[module].error
        if error is None:
            continue
        if name == "torchaudio" and attempts["torch"].error is None:
            needs = "Without it go the conformer and the augmentations speed, pitch and telephone."
            problems.append(f"{explain(ImportError(error))}. {needs}")
        else:
            problems.append(f"{name} can't be loaded ({error}): {_reinstall(name)}")
    if (error := attempts[OWN].error) is not None:
        problems.append(f"ser_tl itself can't be loaded ({error})")
    return problems


def _outside_ranges() -> list[str]:
    """Installed versions that ser_tl's own ranges don't allow."""
    try:
        from packaging.requirements import Requirement

        wanted = [Requirement(line) for line in metadata.requires("ser_tl") or []]
    except (ImportError, metadata.PackageNotFoundError):
        return ["ser_tl isn't installed, or packaging isn't: pip install -r requirements/default.txt, as in the README"]
    problems = []
    for requirement in wanted:
        version = installed_version(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if version is None:
            problems.append(f"{requirement.name} isn't installed: {_reinstall(requirement.name)}")
        elif not requirement.specifier.contains(version, prereleases=True):
            asked = f"ser_tl asks for {requirement.specifier}"
            problems.append(f"{requirement.name} is {version}, {asked}: {_reinstall(requirement.name)}")
    return problems


def _reinstall(name: str) -> str:
    return f"pip install -r requirements/default.txt installs the {name} that was tested"


def _try_fact(fact: Callable[[], str]) -> str:
    try:
        return fact()
    except Exception as error:  # of any package: the other facts are wanted all the same
        return f"unknown ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"


def _devices() -> str:
    import torch

    devices = [f"CPU ({torch.backends.cpu.get_cpu_capability()})"]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices.append(f"{properties.name} ({properties.total_memory / 2**30:.0f} GiB)")
    if torch.backends.mps.is_available():
        devices.append("MPS")
    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    return f"{', '.join(devices)}; torch {torch.__version__} is built with {built}"


def _threads() -> str:
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    given = os.environ.get("OMP_NUM_THREADS")
    return f"{torch.get_num_threads()} of {allowed} cores{f' (OMP_NUM_THREADS={given})' if given else ''}"


def _precision() -> str:
    from ser_tl.runtime.precision import fastest_precision
    from ser_tl.runtime.processes import processes

    fastest = fastest_precision(processes())
    return f"--train.precision auto takes {'bf16' if fastest == 'bf16' else 'float32'} here"


def _cache() -> str:
    folder = find_cache_folder()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{folder}, {size / 2**20:.1f} MiB ($SER_TL_CACHE moves it)"


def _disk() -> str:
    cache = find_cache_folder().absolute()
    there = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    free = {name: shutil.disk_usage(path).free / 2**30 for name, path in {"cache": there, "here": Path.cwd()}.items()}
    return ", ".join(
        f"{gib:.1f} GiB for the {name}" if name == "cache" else f"{gib:.1f} GiB {name}" for name, gib in free.items()
    )
