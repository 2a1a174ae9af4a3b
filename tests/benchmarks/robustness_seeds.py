"""Fine-tuned wav2vec2-mini on changed recordings, before and after the gate of speech and `field`, over seeds.

    python -m tests.benchmarks.robustness_seeds FOLDER [--training main] [--seeds 0] [--key]

The top two blocks, on the bundled EMO-DB; a seed draws the two test speakers as well as the weights. Trainings:

    short    two epochs, then the classifier in closed form (`--pooling stats --train.refit discriminant`)
    main     the README's first command with the classifier trained by gradients, stopped after three epochs without a
             better one (the README's: six)

Systems:

    none     `--audio.gate none`
    gate     the defaults
    field    the defaults, trained on four views of each clip that the augmentation preset `field` changes

Runs are FOLDER/TRAINING/SYSTEM-SEED, each with what `ser-tl check` found in check/ (ten changes alone: key/). What is
there isn't made again, and a training that was stopped goes on. `--whole` checks so many clips on all changes of the
suite as well, for pass rates by theme. docs/robustness.md has the tables.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

import ser_tl as ser
from ser_tl.cli import main as run_command
from ser_tl.comparison.paired_tests import count_by_speaker, mean_uar
from ser_tl.evaluation.bootstrap import paired_interval
from ser_tl.reporting.cells import table

CLOSED_FORM = ["--pooling", "stats", "--train.refit", "discriminant"]
TRAININGS = {
    "short": [*CLOSED_FORM, "--train.epochs", "2", "--train.calibration", "none"],
    "main": ["--train.refit", "none", "--train.patience", "3"],
}
SYSTEMS = {
    "none": ["--audio.gate", "none"],
    "gate": [],
    "field": ["--augment.preset", "field", "--augment.views", "4"],
}
RECIPE = Path(__file__).parents[2] / "recipes" / "finetune_wav2vec2.py"
KEY_CHANGES = [
    "1 s of silence before",
    "1 s of silence behind",
    "1 s of room tone at both ends",
    "room, RT60 0.5 s",
    "telephone, mu-law",
    "Opus at 9 kbit/s",
    "white noise 20 dB",
    "pink noise 20 dB",
    "pink noise 10 dB",
    "gain -20 dB",
]
CHANGES = [
    "1 s of silence before",
    "1 s of silence behind",
    "0.3 s of room tone at both ends",
    "1 s of room tone at both ends",
    "room, RT60 0.5 s",
    "telephone, mu-law",
    "8 kHz",
    "low-pass 3 kHz",
    "Opus at 9 kbit/s",
    *(f"{colour} noise {snr} dB" for colour in ("white", "pink") for snr in (20, 10, 0)),
    "gain -20 dB",
    "gain +6 dB with clipping",
    "shift by 1 sample",
    "shift by 10 ms",
]


def train(run: Path, seed: int, options: Sequence[str]) -> ser.Report:
    """The report of a run, which is trained, or trained on, where it isn't whole."""
    if not (run / "report.json").is_file():
        command = [sys.executable, str(RECIPE), "--seed", str(seed), "--output", str(run), *options]
        subprocess.run([*command, *(["--resume", "true"] if run.is_dir() else [])], check=True)
    return ser.Report.load(run)


def check(run: Path, name: str, *options: str) -> dict[str, Any]:
    """What `ser-tl check` says of a run's model on its test speakers."""
    file = run / name / "check.json"
    if not file.is_file():
        model, split = str(run / "model"), str(run / "split.json")
        command = ["check", model, "--corpus", "emodb-mini", "--ids", split, "--output", str(file.parent), *options]
        if run_command(command):
            raise SystemExit(f"{run}: the check failed, see above")
    return json.loads(file.read_text(encoding="utf-8"))


def list_changes(checks: dict[str, list[dict[str, Any]]]) -> str:
    """A row a change: UAR and its standard deviation over seeds, its change, and answers unchanged, of each system."""
    rows = [["as recorded", *(_show([found["uar"] for found in seeds]) for seeds in checks.values())]]
    names = [row["name"] for row in next(iter(checks.values()))[0]["rows"]]
    for change in names:
        cells = []
        for seeds in checks.values():
            found = [next(row for row in one["rows"] if row["name"] == change) for one in seeds]
            uar = _show([row["uar"] for row in found])
            fall, unchanged = (100 * fmean(row[key] for row in found) for key in ("difference", "unchanged"))
            cells.append(f"{uar}, {fall:+.1f} ({unchanged:.0f} %)")
        rows.append([change, *cells])
    return table(["change", *checks], rows)


def list_rates(checks: dict[str, list[dict[str, Any]]]) -> str:
    """A row a theme: tests passed by each system, over its seeds."""
    themes = list(dict.fromkeys(theme for seeds in checks.values() for found in seeds for theme in found["rates"]))
    rows = []
    for theme in themes:
        cells = []
        for seeds in checks.values():
            sums: Counter[str] = Counter()
            for found in seeds:
                sums.update({key: found["rates"].get(theme, {}).get(key, 0) for key in ("passed", "tests")})
            share = f"{100 * sums['passed'] / sums['tests']:.0f} %" if sums["tests"] else "-"
            cells.append(f"{sums['passed']} of {sums['tests']}, {share}")
        rows.append([theme, *cells])
    return table(["theme", *checks], rows)


def _show(values: Sequence[float]) -> str:
    mean = f"{100 * fmean(values):.1f}"
    return f"{mean} ± {100 * stdev(values):.1f}" if len(values) > 1 else mean


def show_clean(reports: dict[str, list[ser.Report]]) -> None:
    """Prints clean scores, and each system's difference to the first, paired over the speakers of all seeds."""
    first = next(iter(reports))
    for name, runs in reports.items():
        scores = ", ".join(f"{100 * run.uar:.1f}" for run in runs)
        text = f"{name}: {scores}; mean {_show([run.uar for run in runs])}"
        if name != first:
            interval = paired_interval(*count_by_speaker([runs, reports[first]]))
            between = "" if interval is None else f" ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"
            text += f"; {100 * (mean_uar(runs) - mean_uar(reports[first])):+.1f}{between} against {first}"
        print(text, flush=True)


def main() -> None:
    """Trains and checks what isn't there yet, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--training", choices=list(TRAININGS), default="short")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--systems", nargs="*", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--key", action="store_true", help="check on ten changes, to save time")
    parser.add_argument("--whole", type=int, default=0, help="clips that are checked on all changes; 0 for none")
    options = parser.parse_args()
    folder, shared = options.folder / options.training, TRAININGS[options.training]
    runs = {name: {seed: folder / f"{name}-{seed}" for seed in options.seeds} for name in options.systems}
    reports = {
        name: [train(run, seed, [*shared, *SYSTEMS[name]]) for seed, run in seeds.items()]
        for name, seeds in runs.items()
    }
    show_clean(reports)

    def check_all(*given: str) -> dict[str, list[dict[str, Any]]]:
        return {name: [check(run, *given) for run in seeds.values()] for name, seeds in runs.items()}

    name, changes = ("key", KEY_CHANGES) if options.key else ("check", CHANGES)
    print("\n" + list_changes(check_all(name, "--changes", json.dumps(changes))))
    if options.whole:
        clips = str(options.whole)
        print("\n" + list_rates(check_all(f"whole-{clips}", "--clips", clips)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
