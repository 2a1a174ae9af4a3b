"""Streams measured: time a hop, memory over hours, policies compared, and EDER of timelines.

    python -m tests.benchmarks.streaming latency [--minutes 60] [--model FOLDER] [--window 2] [--stitched]
    python -m tests.benchmarks.streaming pace [--minutes 60] [--model FOLDER]
    python -m tests.benchmarks.streaming day [--hours 24]
    python -m tests.benchmarks.streaming policies [--voice silero] [--model FOLDER]
    python -m tests.benchmarks.streaming eder [--voice silero] [--corpus ravdess --root DIR --speakers A,B]

The speech is emodb-mini's, of the two speakers that the bundled model was neither trained nor tuned on, or that of
--speakers of --corpus, whom --model doesn't know: clips strung together with pauses of half a second. One thread.
Tables and the windows' answers are kept in --output and beside it: started again, it goes on. `day` feeds 44.1 kHz
through resampler, gate, buffers and hops, and asks a session that only measures loudness: it is about drift and memory,
not about the model. `pace` feeds as a microphone does, and leaves late hops out.
"""

import argparse
import hashlib
import json
import os
import resource
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile

RATE = 16_000
UNSEEN = ("emodb_11", "emodb_13")  # the test part of the run that made the bundled model


class Clip(NamedTuple):
    start: float
    end: float
    emotion: str


def unseen_clips(options) -> list[tuple[str, np.ndarray]]:
    """Emotion and samples of the test speakers' clips, in random order; of each the speech alone."""
    import torch

    from ser_tl.corpora import load_corpus
    from ser_tl.data.audio import decode
    from ser_tl.modules.speech import SpeechGate

    corpus = load_corpus(options.corpus, options.root)
    speakers = options.speakers.split(",")
    rows = [row for row, speaker in enumerate(corpus["speaker"][:]) if speaker in speakers]
    assert rows, f"{options.corpus} has {sorted(set(corpus['speaker'][:]))}"
    order = np.random.default_rng(0).permutation(rows).tolist()[: options.clips]
    clips = [(corpus[row]["emotion"], decode(corpus[row]["audio"]["path"])) for row in order]
    if options.corpus.startswith("emodb"):  # is trimmed
        return clips
    gate = SpeechGate()
    cut = [gate(torch.from_numpy(samples)[None], torch.tensor([len(samples)])) for _, samples in clips]
    return [
        (emotion, speech.waveform[0, : int(speech.lengths[0])].numpy())
        for (emotion, _), speech in zip(clips, cut, strict=True)
    ]


def string_together(clips: list[tuple[str, np.ndarray]], pause: float) -> tuple[np.ndarray, list[Clip]]:
    """One recording of all clips, with pauses of so many seconds (digital silence) between them."""
    gap, pieces, spans, count = np.zeros(round(pause * RATE), np.float32), [], [], 0
    for emotion, samples in clips:
        spans.append(Clip(count / RATE, (count + len(samples)) / RATE, emotion))
        pieces += [samples, gap]
        count += len(samples) + len(gap)
    return np.concatenate(pieces), spans


class Remembering:
    """A session that computes each window once, also if the program is started again.

    Args:
        session: what is asked
        path: a file that keeps the answers, a line each
    """

    def __init__(self, session, path: Path) -> None:
        self.session, self.path = session, path
        lines = path.read_text().splitlines() if path.is_file() else []
        self.answers = {key: np.array(row, np.float32) for key, row in map(json.loads, lines)}
        self.labels, self.dimensions = session.labels, session.dimensions
        self.audio, self.frame_rate = session.audio, session.frame_rate

    def run(self, waveform, lengths, wanted, norm=None):
        from ser_tl.inference.session import SessionOutput

        rows = []
        for row, count in zip(waveform, lengths, strict=True):
            samples = np.ascontiguousarray(row[:count])
            key = hashlib.sha1(samples.tobytes()).hexdigest()
            if key not in self.answers:
                self.answers[key] = self.session.run(samples[None], np.array([count]), wanted).probabilities[0]
                with self.path.open("a") as stream:
                    stream.write(json.dumps([key, self.answers[key].tolist()]) + "\n")
            rows.append(self.answers[key])
        return SessionOutput(np.stack(rows), np.zeros((len(rows), 0), np.float32))

    def measure_norm(self, batches):
        raise NotImplementedError

    def check_attention(self):
        raise NotImplementedError


def memory() -> float:
    """MiB that are resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def latency(options) -> Iterator[dict]:
    """CPU and wall time of each feed that answered a hop; memory as the stream goes on."""
    from ser_tl.streaming import StreamingPredictor

    signal, _ = string_together(unseen_clips(options), 0.5)
    stream = StreamingPredictor(options.model, voice=options.voice, window=options.window, stitched=options.stitched)
    cpu, wall, windows, taken, marks = [], [], [], 0.0, {}
    step = RATE // 10
    fed = 0
    while stream.time < 60 * options.minutes:
        for first in range(0, len(signal), step):
            if stream.time >= 60 * options.minutes:
                break
            begin = time.process_time(), time.perf_counter()
            updates = stream.feed(signal[first : first + step], RATE)
            spent = time.process_time() - begin[0]
            taken += spent
            if len(updates) == 1 and updates[0].kind == "partial" and updates[0].label:
                cpu.append(1000 * spent)
                wall.append(1000 * (time.perf_counter() - begin[1]))
                windows.append(round(updates[0].end - updates[0].start, 3))
            fed += 1
            if fed % 3000 == 300:  # every five minutes, the first time after half a minute
                marks[round(stream.time / 60, 1)] = round(memory(), 1)
    yield {
        "model": options.model or "bundled, torch fp32", "voice": options.voice,
        "minutes": round(stream.time / 60, 1), "hops answered": len(cpu),
        "cpu ms p50 p95 p99": np.percentile(cpu, [50, 95, 99]).round(1).tolist(),
        "wall ms p50 p95 p99": np.percentile(wall, [50, 95, 99]).round(1).tolist(),
        "share of a core": round(taken / stream.time, 4), "MiB by minute": marks,
        "cpu ms p50 by window s": _by_window(windows, cpu, options.window),
    }  # fmt: skip


def _by_window(windows: list[float], cpu: list[float], longest: float) -> dict[str, float]:
    """The median of hops whose windows are as long as these, to half a hop."""
    found = {}
    for seconds in (*(length for length in (0.6, 1.0, 1.5, 2.0) if length < longest), longest):
        near = [taken for length, taken in zip(windows, cpu, strict=True) if abs(length - seconds) <= 0.1]
        if near:
            found[f"{seconds:g}"] = round(float(np.median(near)), 1)
    return found


def pace(options) -> Iterator[dict]:
    """A stream at its own pace: hops that came too late, how late answers are, memory as it goes on."""
    from ser_tl.streaming import StreamingPredictor

    signal, _ = string_together(unseen_clips(options), 0.5)
    stream = StreamingPredictor(options.model, voice=options.voice)
    stream.feed(signal[: 4 * RATE], RATE)  # the first windows of a session take longer
    stream.reset()
    step, sent, delays, marks, spent = RATE // 10, 0, [], {}, 0.0
    begin, cpu = time.perf_counter(), time.process_time()
    total = round(60 * options.minutes) * RATE
    while sent < total:
        due = begin + (sent + step) / RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        behind = int((time.perf_counter() - begin) * RATE) // step * step  # what a device has queued by now
        stop = min(max(sent + step, behind), total)
        block = np.take(signal, range(sent, stop), mode="wrap")
        for update in stream.feed(block, RATE, late="skip"):
            if update.kind == "partial" and update.label:
                delays.append(1000 * (time.perf_counter() - begin - update.time))
        sent = stop
        minute = sent // (60 * RATE)
        if minute % 5 == 0 or minute == 1:
            marks.setdefault(minute, round(memory(), 1))
    spent = time.process_time() - cpu
    yield {
        "model": options.model or "bundled, torch fp32", "voice": options.voice, "minutes": options.minutes,
        "hops": int(stream.time / 0.2), "answered": len(delays), "late hops": stream.late_hops,
        "delay ms p50 p95 p99 max": np.percentile(delays, [50, 95, 99, 100]).round(1).tolist(),
        "cpu s": round(spent, 1), "share of a core": round(spent / (60 * options.minutes), 4), "MiB by minute": marks,
        "seconds on the clock": round(time.perf_counter() - begin, 2),
    }  # fmt: skip


def day(options) -> Iterator[dict]:
    """Time and memory of a stream of a day."""
    from ser_tl.streaming import StreamingPredictor
    from tests.streaming.sounds import LevelSession

    class Level(LevelSession):
        def run(self, *arguments, **named):
            self.lengths.clear()
            return super().run(*arguments, **named)

    rate = 44_100
    generator = np.random.default_rng(0)
    minute = (0.1 * generator.standard_normal(60 * rate)).astype(np.float32)
    minute[8 * rate : 10 * rate] = 0
    minute[40 * rate : 45 * rate] = 0
    stream = StreamingPredictor(Level(), voice="energy", hop=0.5)
    begin, marks, last, hops, worst = time.process_time(), {}, None, 0, 0.0
    for hour in range(options.hours):
        for _ in range(60):
            for update in stream.feed(minute, rate):
                last = update
                if update.kind == "partial":
                    hops += 1
                    worst = max(worst, abs(update.time - 0.5 * hops))
        if hour in (0, 1, 5, 11, 17, options.hours - 1):
            marks[hour + 1] = round(memory(), 1)
    yield {
        "hours": options.hours, "hops": hops, "last hop at s": last.time, "most drift s": worst,
        "s behind": round(stream.time - stream.turns.buffer.stop / RATE, 4), "fed s": stream.time,
        "MiB by hour": marks, "cpu s": round(time.process_time() - begin, 1),
        "buffer s": round(len(stream.turns.buffer._samples) / RATE, 1),
    }  # fmt: skip


def policies(options) -> Iterator[dict]:
    """Shares of hops that are right, flips and settling, by policy."""
    from ser_tl.inference.session import open_session
    from ser_tl.streaming import StreamingPredictor

    clips = unseen_clips(options)
    signal, spans = string_together(clips, 0.5)
    session = open_session(options.model)
    if not options.stitched:
        session = Remembering(session, options.output.with_suffix(".answers"))
    for cut in options.cuts.split(","):
        for smoothing in ("none", "vote:5", "ema:0.4"):
            stream = StreamingPredictor(
                session, cut=cut, smoothing=smoothing, voice=options.voice, window=options.window,
                stitched=options.stitched,
            )  # fmt: skip
            updates = stream.feed(signal, RATE) + stream.flush()
            yield {"voice": options.voice, "cut": cut, "smoothing": smoothing} | judge(updates, spans)
    right = [session.labels[int(_whole(session, samples).argmax())] == emotion for emotion, samples in clips]
    yield {"cut": "whole clips, offline", "final": round(100 * np.mean(right), 1), "clips": len(clips)}


def _whole(session, samples):
    from ser_tl.streaming.answering import answer_clip

    return answer_clip(session, samples).probabilities


def judge(updates, spans) -> dict:
    """Figures over clips."""
    partials = [one for one in updates if one.kind == "partial"]
    finals = [one for one in updates if one.kind == "final" and one.label]
    later, ends, flips, settled, whole = [], [], [], [], []
    for clip in spans:
        mine = [one for one in partials if clip.start < one.time <= clip.end]
        later += [one.label == clip.emotion for one in mine if one.time >= clip.start + 1]
        labels = [one.label for one in mine if one.label]
        ends.append(bool(labels) and labels[-1] == clip.emotion)
        flips.append(sum(a != b for a, b in pairwise(labels)))
        if ends[-1]:
            last = max(one.time for one in mine if one.label)  # behind it, at the clip's end, nobody speaks
            wrong = [one.time for one in mine if one.label != clip.emotion and one.time < last]
            after = [one.time for one in mine if not wrong or one.time > wrong[-1]]
            settled.append(after[0] - clip.start)
        over = [(min(one.end, clip.end) - max(one.start, clip.start), one.label) for one in finals]
        best = max(over, default=(0, ""))
        whole.append(best[0] > 0 and best[1] == clip.emotion)
    speech = [one.speech for one in partials if any(clip.start + 0.2 < one.time <= clip.end for clip in spans)]
    silent = [one.speech for one in partials if not any(clip.start < one.time <= clip.end for clip in spans)]
    return {
        "after 1 s": round(100 * np.mean(later), 1), "at end": round(100 * np.mean(ends), 1),
        "flips": round(np.mean(flips), 2), "settled s": round(float(np.median(settled)), 2),
        "final": round(100 * np.mean(whole), 1), "turns": len(finals), "clips": len(spans),
        "speech passed": round(100 * np.mean(speech), 1), "pauses passed": round(100 * np.mean(silent), 1),
    }  # fmt: skip


def eder(options) -> Iterator[dict]:
    """EDER of timelines of recordings of ten clips each, with and without pauses between them."""
    import io

    from ser_tl.inference.session import open_session
    from ser_tl.streaming import LabelSpan, build_timeline, measure_eder

    clips = unseen_clips(options)
    session = Remembering(open_session(options.model), options.output.with_suffix(".answers"))
    groups = [clips[first : first + 10] for first in range(0, len(clips), 10)]
    for pause in (0.5, 0.0):
        for penalty in (float("inf"), 9.0, 6.0, 4.5, 3.0):
            whole, spoken = [], []
            for group in groups:
                signal, spans = string_together(group, pause)
                stream = io.BytesIO()
                soundfile.write(stream, signal, RATE, format="WAV", subtype="FLOAT")
                found = build_timeline(stream.getvalue(), session, voice=options.voice, penalty=penalty)
                said = [LabelSpan(one.start, one.end, one.label) for one in found.segments if one.label]
                true = [LabelSpan(*span) for span in spans]
                whole.append(measure_eder(true, said, found.seconds))
                spoken.append(measure_eder(true, said, found.seconds, speech_only=True))
            yield {"voice": options.voice, "pause s": pause, "penalty": str(penalty)} | {
                "recordings": len(groups), "EDER": _pool(whole, "eder"), "false alarm": _pool(whole, "false_alarm"),
                "missed": _pool(whole, "missed"), "confusion": _pool(whole, "confusion"),
                "EDER of speech": _pool(spoken, "eder"),
            }  # fmt: skip


def _pool(errors, name: str) -> float:
    """Percent, over the time of all recordings."""
    return round(100 * sum(getattr(one, name) * one.seconds for one in errors) / sum(one.seconds for one in errors), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "pace", "day", "policies", "eder"])
    parser.add_argument("--model", default=None)
    parser.add_argument("--voice", default="energy")
    parser.add_argument("--corpus", default="emodb-mini")
    parser.add_argument("--root", default=None)
    parser.add_argument("--speakers", default=",".join(UNSEEN), help="whom the model doesn't know")
    parser.add_argument("--clips", type=int, default=None, help="the first so many")
    parser.add_argument("--cuts", default="sliding,turn", help="of policies")
    parser.add_argument("--window", type=float, default=3.0)
    parser.add_argument("--stitched", action="store_true")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--output", type=Path, default=Path("streaming.jsonl"))
    options = parser.parse_args()
    asked = {name: str(value) for name, value in vars(options).items() if name != "output"}
    done = [json.loads(line) for line in options.output.read_text().splitlines()] if options.output.is_file() else []
    rows = [row for row in done if row["asked"] == asked]
    if not rows:
        try:
            import torch

            torch.set_num_threads(1)
        except ImportError:
            pass
        rows = []
        for row in globals()[options.what](options):
            rows.append(row | {"asked": asked})
            print("  ".join(f"{name}: {value}" for name, value in row.items()), flush=True)
        with options.output.open("a") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)
        return
    for row in rows:
        print("  ".join(f"{name}: {value}" for name, value in row.items() if name != "asked"))


if __name__ == "__main__":
    main()
