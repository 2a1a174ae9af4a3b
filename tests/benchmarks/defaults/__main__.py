"""Every default that was chosen on RAVDESS or EMO-DB, against its alternatives, on corpora that chose nothing.

    python -m tests.benchmarks.defaults FOLDER --emotale DIR --emodb DIR --ravdess DIR --whisper DIR [--only loudness]

Corpora are EmoTale and variants of all three (`variants`): other levels, unbalanced speakers, clips of 1 to 15 s. What
is compared on which stands in systems.yaml. Each system is trained by the library's own Trainer in folds by speaker;
its report stays in FOLDER, so that a run that was stopped goes on, and ends in one table a corpus. Models aren't kept.
"""

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset

import ser_tl as ser
from tests.benchmarks.defaults.variants import write_variant

SYSTEMS = Path(__file__).with_name("systems.yaml")


def main() -> None:
    """Runs what hasn't been run yet, and prints the table of each corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in ("emotale", "emodb", "ravdess"):
        parser.add_argument(f"--{name}", type=Path, help="its folder; without it, its corpora are left out")
    parser.add_argument("--whisper", type=Path, help="whisper-tiny.en's folder; without it, its groups are left out")
    parser.add_argument("--only", nargs="*", help="names of groups of systems.yaml")
    options = parser.parse_args()
    for name, group in yaml.safe_load(SYSTEMS.read_text(encoding="utf-8")).items():
        needs_whisper = "whisper" in str([group["common"], group["systems"]])
        if (options.only is None or name in options.only) and (options.whisper or not needs_whisper):
            for corpus in group["corpora"]:
                root = getattr(options, corpus.partition(",")[0])
                if root is not None:
                    run_group(options.folder, name, group, corpus, root, options.whisper)


def run_group(
    folder: Path, name: str, group: dict[str, Any], corpus: str, root: Path, whisper: Path | None
) -> ser.Comparison:
    """Trains and scores each system of a group on one corpus.

    Args:
        folder: of the benchmark
        name: of the group
        group: of systems.yaml: common options, and those of each system
        corpus: a corpus and its variant, "emotale, clip gains"
        root: the corpus' folder
        whisper: the folder that stands for the encoder `whisper`
    """
    base, _, variant = corpus.partition(", ")
    home = folder / "corpora" / base / variant.replace(" ", "_")
    manifest = write_variant(ser.load_corpus(base, root), variant, home)
    shutil.rmtree(folder / "runs" / "unfinished", ignore_errors=True)
    clips, _ = ser.check_audio(ser.load_corpus("csv", manifest))
    reports = {}
    for system, changes in group["systems"].items():
        place = folder / "runs" / name / corpus.replace(", ", "_").replace(" ", "_") / system.replace(" ", "_")
        if not (place / "report.json").is_file():
            begin = time.monotonic()
            unfinished = folder / "runs" / "unfinished"
            evaluate_system(clips, group["common"] | changes, whisper).save(unfinished)
            place.parent.mkdir(parents=True, exist_ok=True)
            unfinished.replace(place)
            print(f"{name}, {corpus}, {system}: {time.monotonic() - begin:.0f} s", flush=True)
        reports[system] = ser.Report.load(place)
    comparison = ser.Comparison.of(reports, title=f"{name}: {corpus}")
    print(f"\n{comparison}\n", flush=True)
    return comparison


def evaluate_system(clips: Dataset, changes: dict[str, Any], whisper: Path | None) -> ser.Report:
    """Trains and scores one system on each fold of the speakers.

    Args:
        clips: the corpus
        changes: options that differ from the recipes' defaults
        whisper: as of `run_group`
    """
    encoder = str(changes.get("encoder", "")).replace("whisper", str(whisper))
    options = ser.Options().changed(changes | {"encoder": encoder} if encoder else changes)
    reports = {}
    for split in ser.make_splits(clips, options.protocol, options.split, seed=options.seed):
        ser.seed_everything(options.seed)
        model = ser.build_model(options, ser.emotions(clips))
        trainer = ser.Trainer(
            model,
            ser.build_strategy(options),
            options.train,
            balance=options.balance,
            augment=options.augment,
            seed=options.seed,
        )
        trainer.fit(split.train, split.dev)
        reports[split.name] = trainer.evaluate(split.test)
    return ser.Report.over_folds(reports)


if __name__ == "__main__":
    main()
