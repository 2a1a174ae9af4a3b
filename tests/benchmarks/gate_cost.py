"""What the gate of speech costs clips as they were recorded: three corpora, two frozen encoders, paired over speakers.

    python -m tests.benchmarks.gate_cost FOLDER --whisper DIR --emodb DIR --ravdess DIR --folds DIR --emotale DIR

Whisper tiny.en, layers 1 to 3, and wav2vec2-mini, layer 2: mean and deviation over time, the closed-form discriminant
(shrinkage 0.5), trained and tested with the same gate. EMO-DB with each speaker left out, RAVDESS in EmoBox's six
folds, EmoTale in six folds by speaker. `silence alone` knows nothing of a clip but the seconds that the gate takes off
each end, `energy and silence` has them beside the gated states: what was lost with them.

The pooled difference is the mean of the corpora's, its interval of speakers drawn within each corpus. Gated clips and
pooled states are kept in FOLDER, which `robustness` shares, and what is there isn't made again. docs/robustness.md has
the table.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from datasets import Dataset

import ser_tl as ser
from ser_tl.comparison.paired_tests import count_by_speaker
from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.data.folds import read_folds
from ser_tl.data.speaker_groups import deal_speakers
from ser_tl.evaluation import Predictions, Report
from ser_tl.evaluation.scores import mean_recall
from ser_tl.modules.speech import SpeechGate
from tests.benchmarks.defaults.__main__ import show
from tests.benchmarks.defaults.variants import Clip
from tests.benchmarks.robustness import Corpus, Features, Judges

LAYERS = {"whisper": [1, 2, 3], "wav2vec2-mini": [2]}
GATES = ["none", "energy"]


def pool_difference(pairs: Sequence[np.ndarray], *, resamples: int = 4000, seed: int = 0) -> tuple[float, float, float]:
    """The mean of some corpora's differences of UAR, second system less first, and its 95 % interval, as fractions.

    Args:
        pairs: confusion matrices (2, S, C, C) of a corpus' speakers by the two systems
        resamples: draws of each corpus' speakers, the same ones for both systems
        seed: of the draws
    """
    draw, differences, drawn = np.random.default_rng(seed), [], []
    for counts in pairs:
        speakers, classes = counts.shape[1], counts.shape[-1]
        times = draw.multinomial(speakers, np.full(speakers, 1 / speakers), size=resamples)
        sums = (times @ counts.reshape(2, speakers, -1)).reshape(2, resamples, classes, classes)
        first, second = mean_recall(sums)
        drawn.append(second - first)
        before, after = mean_recall(counts.sum(axis=1))
        differences.append(float(after - before))
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    return fmean(differences), float(low), float(high)


def evaluate(corpus: Corpus, states: torch.Tensor) -> Report:
    """The report of states (n, D) of all of a corpus' clips."""
    clips, everything = corpus.clips, range(len(corpus.clips))
    answers = Judges(corpus, [states]).answer(states, everything)
    names, speakers, emotions = ([getattr(clip, key) for clip in clips] for key in ("name", "speaker", "emotion"))
    return Report.of(Predictions(names, speakers, emotions, answers, corpus.labels))


def measure_silence(clips: Sequence[Clip]) -> torch.Tensor:
    """Seconds (n, 2) that the gate takes off the beginning and the end of each clip."""
    gate, rows = SpeechGate(), []
    for clip in clips:
        speech = gate(torch.from_numpy(clip.waveform).float()[None], torch.tensor([len(clip.waveform)]))
        before = int(speech.onsets[0])
        rows.append([before, len(clip.waveform) - before - int(speech.lengths[0])])
    return torch.tensor(rows, dtype=torch.float64) / SAMPLE_RATE


def compare_gates(corpus: Corpus, features: Features) -> dict[str, Report]:
    """The reports without and with the gate, and those of the silence that it takes off."""
    clips, everything = corpus.clips, range(len(corpus.clips))
    states = {gate: features.read(gate, "as recorded", everything, lambda row: clips[row].waveform) for gate in GATES}
    silence = measure_silence(clips)
    states |= {"silence alone": silence, "energy and silence": torch.cat([states["energy"], silence], dim=1)}
    return {name: evaluate(corpus, rows) for name, rows in states.items()}


def read_corpora(options: argparse.Namespace) -> dict[str, Corpus]:
    """Those whose folders are given, all clips of each tested once."""
    corpora = {}
    for name in ("emodb", "ravdess", "emotale"):
        root = getattr(options, name)
        if root is not None:
            corpus = ser.load_corpus(name, root)
            corpora[name] = Corpus.of(corpus, _fold(name, corpus, options.folds), each=1)
    return corpora


def _fold(name: str, corpus: Dataset, folder: Path) -> list[np.ndarray]:
    voices = np.array(corpus["speaker"][:])
    if name == "ravdess":
        ids = np.array(corpus["id"][:])
        return [np.isin(ids, list(fold.test)) for fold in read_folds(folder)]
    groups = [{voice} for voice in sorted(set(voices))] if name == "emodb" else deal_speakers(corpus, 6, 0)
    return [np.isin(voices, sorted(group)) for group in groups]


def main() -> None:
    """Prints each corpus' scores without and with the gate, and the pooled difference of each encoder and of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--whisper", type=Path, required=True, help="whisper-tiny.en's folder")
    for name in ("emodb", "ravdess", "emotale"):
        parser.add_argument(f"--{name}", type=Path, help="its folder; without it, it is left out")
    parser.add_argument("--folds", type=Path, help="EmoBox's folder of RAVDESS' folds")
    parser.add_argument("--encoders", nargs="*", choices=list(LAYERS), default=list(LAYERS))
    options = parser.parse_args()
    corpora = read_corpora(options)
    for encoder in options.encoders:
        pairs = []
        for name, corpus in corpora.items():
            features = Features(options.folder / name, corpus.clips, options.whisper, encoder, LAYERS[encoder])
            reports = compare_gates(corpus, features)
            show(reports, f"{name}, {encoder}", baseline="none")
            pairs.append(count_by_speaker([[reports[gate]] for gate in GATES])[:, 0])
        mean, low, high = (100 * value for value in pool_difference(pairs))
        speakers = sum(counts.shape[1] for counts in pairs)
        print(
            f"\n{encoder}, mean of {len(pairs)} corpora, {speakers} speakers: {mean:+.1f} ({low:+.1f} to {high:+.1f})"
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
