"""Gates of speech and training on changed recordings, each against its absence, on the same frozen encoder.

    python -m tests.benchmarks.robustness FOLDER --whisper DIR --emodb DIR
    python -m tests.benchmarks.robustness FOLDER --whisper DIR --ravdess DIR --folds DIR

Whisper tiny.en, layers 1 to 3, mean and deviation over time, the closed-form discriminant (shrinkage 0.5). Systems:

    none            whole clips
    energy          cut at both ends by the model's own gate (`modules.speech`), in training and test
    silero          cut likewise by silero VAD's network, from 0.1 s before the first speech to 0.1 s behind the last
    none, field     whole clips; trained on each as it is, and once more changed by the augmentation preset `field`
    energy, field   the same, gated by energy

EMO-DB with each speaker left out; RAVDESS in EmoBox's folds 1 and 3. All test clips are scored as recorded, some of
each speaker's after each change. Clips and pooled states are kept in FOLDER, and what is there isn't made again.
docs/robustness.md has the tables.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from datasets import Dataset

import ser_tl as ser
from ser_tl.data.audio_config import SAMPLE_RATE, AudioConfig
from ser_tl.data.batching import UtteranceDataset
from ser_tl.data.folds import read_folds
from ser_tl.evaluation import Predictions, Report
from ser_tl.inference.distance import PerturbedClips
from ser_tl.modules.discriminant import build_discriminant
from ser_tl.modules.speech import SpeechGate
from ser_tl.robustness.change import Change
from ser_tl.robustness.measure import Answers, ChangeRow, Sample, compare
from ser_tl.robustness.suite import make_suite
from ser_tl.streaming.silero import SileroScorer
from tests.benchmarks.defaults.__main__ import show
from tests.benchmarks.defaults.probes import pool_states
from tests.benchmarks.defaults.variants import Clip, read_clips

LAYERS, SHRINKAGE, TEMPERATURE = [1, 2, 3], 0.5, 20.0
HANGOVER = SAMPLE_RATE // 10  # samples that silero's gate keeps around speech, as the energy gate does
CHANGES = [
    "1 s of silence before",
    "1 s of silence behind",
    "0.3 s of room tone at both ends",
    "1 s of room tone at both ends",
    "1 s of loud room tone (-50 dBFS) at both ends",
    "gain -20 dB",
    "white noise 20 dB",
    "pink noise 10 dB",
    "telephone, mu-law",
    "Opus at 9 kbit/s",
    "room, RT60 0.5 s",
]


class System(NamedTuple):
    """A way to train.

    Attributes:
        gate: of `GATES`
        field: trained on each clip once more, changed by the preset `field` as `inference.distance` changes some
    """

    gate: str
    field: bool = False


SYSTEMS = {
    "none": System("none"),
    "energy": System("energy"),
    "silero": System("silero"),
    "none, field": System("none", field=True),
    "energy, field": System("energy", field=True),
}


class Features:
    """Pooled states of a corpus' clips after a change and a gate, made when they are first asked for.

    Args:
        folder: where they are kept
        clips: of the corpus
        whisper: whisper-tiny.en's folder
        encoder: a name of `probes.ENCODERS`
        layers: of it
    """

    def __init__(
        self, folder: Path, clips: list[Clip], whisper: Path, encoder: str = "whisper", layers: Sequence[int] = LAYERS
    ) -> None:
        self._folder, self._clips, self._whisper, self._encoder = folder, clips, whisper, encoder
        self._layers = list(layers)

    def read(self, gate: str, change: str, rows: Sequence[int], changed: Callable[[int], np.ndarray]) -> torch.Tensor:
        """States (n, D) of some clips.

        Args:
            gate: of `GATES`
            change: the name of what `changed` does
            rows: of the clips
            changed: a clip's waveform after the change, by its row
        """
        folder = self._folder / gate / change.replace(" ", "_").replace(",", "").replace("/", "-")
        states = pool_states(
            ser.load_corpus("csv", self._write(folder, gate, rows, changed)),
            self._encoder,
            folder / f"{self._encoder}.npz",
            self._whisper,
        )
        return torch.from_numpy(states[:, self._layers].reshape(len(states), -1)).double()

    def _write(self, folder: Path, gate: str, rows: Sequence[int], changed: Callable[[int], np.ndarray]) -> Path:
        manifest = folder / "list.csv"
        if not manifest.is_file():  # written last
            folder.mkdir(parents=True, exist_ok=True)
            lines = ["path,id,emotion,speaker"]
            for row in rows:
                clip = self._clips[row]
                cut = np.clip(GATES[gate](changed(row)), -1, 1)
                soundfile.write(folder / f"{clip.name}.flac", cut, SAMPLE_RATE, subtype="PCM_16")
                lines.append(f"{clip.name}.flac,{clip.name},{clip.emotion},{clip.speaker}")
            manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return manifest


def cut_by_energy(waveform: np.ndarray) -> np.ndarray:
    """A clip (N,) as the model's gate leaves it."""
    speech = SpeechGate()(torch.from_numpy(waveform).float()[None], torch.tensor([len(waveform)]))
    return speech.waveform[0, : int(speech.lengths[0])].numpy()


def cut_by_silero(waveform: np.ndarray) -> np.ndarray:
    """A clip (N,) from its first to its last speech by silero's network; whole where it finds none."""
    scorer, active, found = SileroScorer(), False, []
    for start in range(0, len(waveform), 512):
        frame = waveform[start : start + 512].astype(np.float32)
        active = scorer.score(np.pad(frame, (0, 512 - len(frame)))) >= (scorer.off if active else scorer.on)
        if active:
            found.append(start)
    if not found:
        return waveform
    return waveform[max(0, found[0] - HANGOVER) : found[-1] + 512 + HANGOVER]


GATES: dict[str, Callable[[np.ndarray], np.ndarray]]
GATES = {"none": lambda waveform: waveform, "energy": cut_by_energy, "silero": cut_by_silero}


class Corpus(NamedTuple):
    """A corpus and who of it is tested.

    Attributes:
        clips: all of it
        folds: (n,) which clips are tested, each time on a training on the others
        sample: rows of the tested clips that are changed
        field: all clips as training recordings might be
    """

    clips: list[Clip]
    folds: list[np.ndarray]
    sample: list[int]
    field: PerturbedClips

    @property
    def labels(self) -> list[str]:
        """The emotions."""
        return sorted({clip.emotion for clip in self.clips})

    @classmethod
    def of(cls, corpus: Dataset, folds: list[np.ndarray], each: int) -> "Corpus":
        """With so many clips of each tested speaker in the sample, drawn at random."""
        draw, tested, clips = np.random.default_rng(0), np.any(folds, axis=0), read_clips(corpus)
        sample: list[int] = []
        for speaker in sorted({clip.speaker for clip in clips}):
            rows = [row for row, clip in enumerate(clips) if clip.speaker == speaker and tested[row]]
            sample += sorted(draw.permutation(rows)[:each].tolist())
        changed = PerturbedClips(UtteranceDataset(corpus, ser.emotions(corpus), AudioConfig(), training=False))
        return cls(clips, folds, sample, changed)


class Judges:
    """The classifiers of a system, one a fold.

    Args:
        corpus: what they are trained on
        parts: (n, D) states of all its clips, as they are and perhaps changed
    """

    def __init__(self, corpus: Corpus, parts: Sequence[torch.Tensor]) -> None:
        self._folds, labels = corpus.folds, corpus.labels
        truth = torch.tensor([labels.index(clip.emotion) for clip in corpus.clips])
        self._judges = []
        for fold in corpus.folds:
            inside = torch.from_numpy(~fold)
            rows, named = torch.cat([part[inside] for part in parts]), truth[inside].repeat(len(parts))
            self._judges.append(build_discriminant(rows, named, len(labels), SHRINKAGE, TEMPERATURE))

    def answer(self, states: torch.Tensor, rows: Sequence[int]) -> np.ndarray:
        """Probabilities (m, C) of states (m, D) of these rows, each by the classifier that was trained without it."""
        fold_of = np.array([[bool(fold[row]) for fold in self._folds].index(True) for row in rows])
        found = np.zeros((len(rows), self._judges[0].weight.shape[0]))
        for number, judge in enumerate(self._judges):
            chosen = torch.from_numpy(fold_of == number)
            with torch.no_grad():
                found[fold_of == number] = judge(states[chosen].float()).double().softmax(dim=-1).numpy()
        return found


def measure_system(system: System, corpus: Corpus, features: Features) -> tuple[Report, list[ChangeRow]]:
    """All test clips as they are, and some of them after each change."""
    clips, labels = corpus.clips, corpus.labels
    everything = range(len(clips))
    plain = features.read(system.gate, "as recorded", everything, lambda row: clips[row].waveform)
    parts = [plain]
    if system.field:
        parts.append(features.read(system.gate, "field", everything, lambda row: corpus.field[row].waveform.numpy()))
    judges = Judges(corpus, parts)
    tested = np.flatnonzero(np.any(corpus.folds, axis=0)).tolist()
    names, speakers, emotions = ([getattr(clips[row], key) for row in tested] for key in ("name", "speaker", "emotion"))
    report = Report.of(Predictions(names, speakers, emotions, judges.answer(plain[tested], tested), labels))
    chosen = [clips[row] for row in corpus.sample]
    sample = Sample(
        [clip.name for clip in chosen],
        [clip.waveform for clip in chosen],
        [clip.emotion for clip in chosen],
        [clip.speaker for clip in chosen],
    )

    def name(states: torch.Tensor) -> Answers:
        found = judges.answer(states, corpus.sample)
        return Answers([labels[best] for best in found.argmax(axis=1)], float(found.max(axis=1).mean()))

    clean = name(plain[corpus.sample])
    rows = [compare(sample, clean, clean, Change("as recorded", "", lambda clip, _: clip), labels)]
    for change in make_suite():
        if change.name in CHANGES:
            states = features.read(
                system.gate,
                change.name,
                corpus.sample,
                lambda row, change=change: change.apply(clips[row].waveform, clips[row].name),
            )
            rows.append(compare(sample, clean, name(states), change, labels))
    return report, rows


def read_corpora(options: argparse.Namespace) -> dict[str, Corpus]:
    """Those whose folders are given."""
    corpora = {}
    if options.emodb is not None:
        emodb = ser.load_corpus("emodb", options.emodb)
        voices = np.array(emodb["speaker"][:])
        corpora["emodb"] = Corpus.of(emodb, [voices == voice for voice in sorted(set(voices))], options.each)
    if options.ravdess is not None:
        ravdess = ser.load_corpus("ravdess", options.ravdess)
        ids = np.array(ravdess["id"][:])
        folds = [np.isin(ids, list(read_folds(options.folds)[number].test)) for number in (0, 2)]
        corpora["ravdess"] = Corpus.of(ravdess, folds, options.each)
    return corpora


def main() -> None:
    """Prints a table a corpus and system, and the clean scores' differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--whisper", type=Path, required=True, help="whisper-tiny.en's folder")
    parser.add_argument("--emodb", type=Path, help="its folder; without it, it is left out")
    parser.add_argument("--ravdess", type=Path, help="likewise, with --folds")
    parser.add_argument("--folds", type=Path, help="EmoBox's folder of RAVDESS' folds")
    parser.add_argument("--each", type=int, default=8, help="clips of each tested speaker that are changed")
    parser.add_argument("--systems", nargs="*", choices=list(SYSTEMS), default=list(SYSTEMS))
    options = parser.parse_args()
    for name, corpus in read_corpora(options).items():
        features = Features(options.folder / name, corpus.clips, options.whisper)
        reports = {}
        for title in options.systems:
            reports[title], rows = measure_system(SYSTEMS[title], corpus, features)
            print(f"\n{name}, {title}: {len(corpus.sample)} changed clips", flush=True)
            for row in rows:
                ends = None if row.low is None or row.high is None else (100 * row.low, 100 * row.high)
                between = "" if ends is None else f" ({ends[0]:+.1f} to {ends[1]:+.1f})"
                passed = "" if not row.passes else " passes" if all(row.passes) else " fails"
                print(
                    f"    {row.name}: {100 * row.uar:.1f}, {100 * row.difference:+.1f}{between}, unchanged "
                    f"{100 * row.unchanged:.0f} %, confidence {row.confidence:.2f}{passed}",
                    flush=True,
                )
        show(reports, f"{name}, all test clips as recorded", baseline=next(iter(reports)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
