"""All changes that a model is checked on, each with what it has to stand.

Limits are those of audEERING's ser-tests (Triantafyllopoulos et al. 2023, arXiv 2312.06270; version of December 2024)
where they have such a test. Changes beyond theirs have limits of the same kind: silence or room tone at an end, which
any recording button adds, may change as little as their small changes do.
"""

from collections.abc import Sequence
from pathlib import Path

from ser_tl.errors import ConfigError
from ser_tl.robustness import edges, levels, surroundings
from ser_tl.robustness.change import Change, Function, Limits
from ser_tl.robustness.channels import mp3, opus, resample, telephone

SMALL = Limits(unchanged=0.95)
NOISE = Limits(fall=0.05, unchanged=0.90)
PHONE = Limits(fall=0.05, unchanged=0.50)
RECORDING = Limits(unchanged=0.80)
TILT = Limits(fall=0.02, unchanged=0.80)
ENDS = Limits(fall=0.01, unchanged=0.95)


def make_suite(
    noises: Path | None = None, rooms: Path | None = None, white_noise: Sequence[float] = ()
) -> list[Change]:
    """The changes, in the order of tables.

    Args:
        noises: folder of recorded noises, for more tests of noise
        rooms: folder of recorded impulse responses, for another test of rooms
        white_noise: more signal-to-noise ratios of white noise, in dB; measured, and not judged

    Raises:
        ConfigError: a ratio that leaves nothing of the speech, or adds nothing to it
    """
    changes = [*_ends(), *_small(), *_noise(white_noise), *_phone(), *_recording(), *_tilt(), *_length()]
    if noises is not None:
        changes.append(Change("noises of the folder, 20 dB", "noise", surroundings.recorded_noise(noises, 20.0), NOISE))
    if rooms is not None:
        changes.append(Change("rooms of the folder", "recording", surroundings.room(0.5, folder=rooms), RECORDING))
    return changes


def _of(theme: str, limits: Limits | None, functions: dict[str, Function]) -> list[Change]:
    return [Change(name, theme, function, limits) for name, function in functions.items()]


def _ends() -> list[Change]:
    judged = {
        "1 s of silence before": edges.add_silence(before=1.0),
        "1 s of silence behind": edges.add_silence(behind=1.0),
        "1 s of silence at both ends": edges.add_silence(before=1.0, behind=1.0),
        "0.3 s of room tone at both ends": edges.add_room_tone(0.3),
        "1 s of room tone at both ends": edges.add_room_tone(1.0),
        "1 s of loud room tone (-50 dBFS) at both ends": edges.add_room_tone(1.0, -50.0),
        "4 s of silence at both ends": edges.add_silence(before=4.0, behind=4.0),
    }
    return _of("ends", ENDS, judged)


def _small() -> list[Change]:
    counts = (100, 500, 1000)
    functions = {"tone of 5 to 7 kHz, 40 to 50 dB": levels.add_tone(5000, 7000, 40, 50)}
    functions |= {f"{count} zeros behind": edges.add_zeros(behind=count) for count in counts}
    functions |= {f"{count} zeros before": edges.add_zeros(before=count) for count in counts}
    functions |= {"clipping of 0.1 to 0.3 %": levels.clip_samples(0.001, 0.003)}
    functions |= {f"first {count} samples cropped": edges.crop(first=count) for count in counts}
    functions |= {f"last {count} samples cropped": edges.crop(last=count) for count in counts}
    functions |= {f"gain {decibels:+d} dB": levels.gain(decibels) for decibels in (-2, -1, 1, 2)}
    functions |= {
        "high-pass 50 to 150 Hz": levels.high_pass(50, 150),
        "low-pass 6.5 to 7.5 kHz": levels.low_pass(6500, 7500),
        "white noise 35 to 45 dB": surroundings.noise_between(35, 45),
        "shift by 1 sample": edges.shift(1),
        "shift by 10 ms": edges.shift(160),
        "gain -20 dB": levels.gain(-20),
        "gain +6 dB with clipping": levels.gain(6),
        "resampled to 44.1 kHz and back": resample(44_100),
    }
    return _of("small changes", SMALL, functions)


def _noise(white_noise: Sequence[float]) -> list[Change]:
    changes = [
        surroundings.babble(20.0, NOISE),
        *_of("noise", NOISE, {"chords 20 dB": surroundings.chords(20.0)}),
        *_of("noise", NOISE, {f"{colour} noise 20 dB": surroundings.noise(colour, 20.0) for colour in _COLOURS}),
    ]
    hard = {f"{colour} noise {snr} dB": surroundings.noise(colour, snr) for snr in (10, 0) for colour in _COLOURS[:2]}
    changes += _of("noise", None, hard)
    outside = [snr for snr in white_noise if not _LEAST_SNR <= snr <= _MOST_SNR]
    if outside:
        raise ConfigError(f"white noise at {outside[0]:g} dB: expected a ratio from {_LEAST_SNR:g} to {_MOST_SNR:g} dB")
    more = {f"white noise {snr:g} dB": surroundings.noise("white", snr) for snr in white_noise}
    names = {change.name for change in changes}
    return [*changes, *_of("noise", None, {name: function for name, function in more.items() if name not in names})]


_LEAST_SNR, _MOST_SNR = -20.0, 80.0  # dB


_COLOURS = ("white", "pink", "brown")


def _phone() -> list[Change]:
    functions = {f"telephone, {codec}": telephone(codec) for codec in ("mu-law", "a-law", "gsm")}
    functions |= {
        "8 kHz": resample(8_000),
        "low-pass 3 kHz": levels.low_pass(3000),
        "Opus at 9 kbit/s": opus(9),
        "Opus at 24 kbit/s": opus(24),
        "MP3 at 16 kbit/s": mp3(16),
        "MP3 at 32 kbit/s": mp3(32),
    }
    return _of("phone", PHONE, functions)


def _recording() -> list[Change]:
    functions = {f"room, RT60 {seconds} s": surroundings.room(seconds) for seconds in (0.2, 0.5, 0.8)}
    functions |= {
        "near in a room of 0.5 s (direct sound +12 dB)": surroundings.room(0.5, 12.0),
        "halfway in it (+6 dB)": surroundings.room(0.5, 6.0),
    }
    return _of("recording", RECORDING, functions)


def _tilt() -> list[Change]:
    functions = {f"{decibels:+d} dB an octave": levels.tilt(decibels) for decibels in (3, -3)}
    return _of("tilt", TILT, functions)


def _length() -> list[Change]:
    functions = {f"{seconds:g} s from the middle": edges.keep_middle(seconds) for seconds in (0.5, 1.0, 1.5, 2.0)}
    functions |= {"first quarter missing": edges.start_late(0.25), "repeated to 10 s": edges.repeat_until(10.0)}
    return _of("length", None, functions)
