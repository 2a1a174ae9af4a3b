"""Features of frozen layers are cached on disk: computed once, then read.

    FOLDER / key of a layer and all below it, normalisation, precision / key of the audio and the window.safetensors

    FeatureCache(folder).fill(clips, encoder, layers, ...) -> CachedClips, which stand in for `UtteranceDataset`
    with views: of each clip not itself, but its augmented views (`cache.views`), of which an epoch draws one
    with reduce: of each clip not its frames, but their summary (`cache.summaries`), from the frames if they are there

Nothing is keyed by name (`cache.keys`): a stale or foreign entry can't be found. Entries are written
atomically, so a killed process leaves no half-written ones, and several processes can write at once. All entries are
checked before they are used, each process its share; damaged ones are computed anew, with a message. Folds, runs,
choices of layers and strategies share entries.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from ser_tl.cache.cache_folder import SUFFIX, VIEW, CacheFolder
from ser_tl.cache.cached import CachedClips
from ser_tl.cache.entry import (
    is_whole,
    read_seconds,
    read_state,
    touch,
    write_state,
    write_state_summary,
    write_summary,
)
from ser_tl.cache.keys import collect_layer_facts, hash_clips, hash_layers
from ser_tl.cache.summaries import Reduce, Summary
from ser_tl.cache.views import ViewedClips, Views
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.batching import Batch, UtteranceDataset
from ser_tl.encoders import Encoder, EncoderOutput
from ser_tl.errors import CacheError, StorageError, listing
from ser_tl.inference.bars import progress_bar, write_line
from ser_tl.inference.clips import Pass, evaluation_mode, inference_context, load_batches, plan_evaluation
from ser_tl.inference.loop import run_batches
from ser_tl.inference.processes import OneProcess
from ser_tl.modules.speech_front import SpeechFront
from ser_tl.runtime.compute_config import ComputeConfig
from ser_tl.runtime.processes import AcceleratedProcesses

_MARK_SECONDS = 300.0  # between two markings of the entries in use
_FRAME_BYTES, _SUMMARY_BYTES, _HEADER_BYTES = 2, 12, 500  # about: of a channel of a frame, of a summary; of a file

Files = list[dict[int, Path]]
"""The entries of each window or view, by layer."""


class FeatureCache(CacheFolder):
    """A folder of encoders' states, and their computation.

    Args:
        folder: `find_cache_folder()` if None
        gib: the most that may lie there, in GiB; the least recently used entries make room
    """

    def __init__(self, folder: Path | None = None, gib: float = 20.0) -> None:
        super().__init__(folder, gib)
        self._marked = time.monotonic()
        self._complete: set[Path] = set()  # entries that were read through
        self.used: dict[Path, float] = {}  # entries that clips of this cache read, and about how many bytes each takes

    def fill(
        self,
        clips: UtteranceDataset,
        encoder: Encoder,
        layers: Sequence[int],
        accelerator: Accelerator,
        config: ComputeConfig,
        *,
        name: str = "",
        views: Views | None = None,
        reduce: Reduce | None = None,
    ) -> CachedClips | UtteranceDataset:
        """Computes missing entries, each process its share. Every process calls it.

        Args:
            clips: the clips
            encoder: the encoder
            layers: indices of the cached states; all blocks below them stay frozen as long as the clips are used
            accelerator: whose processes share the work, in its precision
            config: batch size and workers
            name: what the encoder was loaded as, for the record
            views: of training clips, that are encoded in their place; None for the clips as they are
            reduce: from a summary to few frames, where the model reads no more; None keeps all frames

        Returns:
            The cached clips; the clips themselves, with a note on the terminal, where the cache can't hold them.

        Raises:
            CacheError: it can't hold the views
            StorageError: its folder can't be written to, or the disk is full
        """
        windows, owner = _split_windows(clips)
        inputs: UtteranceDataset | ViewedClips = windows
        names = hash_clips(windows)
        if views is not None:
            inputs, owner = views.view(windows), [clip for clip in owner for _ in range(views.number)]
            names = [f"{key}{VIEW}" for key in inputs.keys]
        front = SpeechFront.from_config(clips.config)
        settings = (front.facts, accelerator.mixed_precision)
        summary = reduce is not None
        homes = self._find_homes(encoder, layers, settings, summary=summary)
        files = _list_files(homes, names)
        used = dict(self.used)
        for paths, seconds in zip(files, inputs.seconds, strict=True):
            bytes_of_channel = _SUMMARY_BYTES if summary else _FRAME_BYTES * encoder.frame_rate * seconds
            used |= dict.fromkeys(paths.values(), _HEADER_BYTES + encoder.dim * bytes_of_channel)
        need = sum(used.values())
        if need > self.limit:
            if views is not None:
                raise CacheError(
                    f"{views.number} views of {len(windows)} clips would take {need / 2**30:.1f} GiB with what is used "
                    f"besides, and the cache may hold {self.limit / 2**30:.1f}: allow more (train.cache_gib), make "
                    f"fewer (augment.views), or use fewer layers (model.layers)"
                )
            if accelerator.is_main_process:
                write_line(
                    f"with this part the encoder's states would take {need / 2**30:.1f} GiB, the cache may hold "
                    f"{self.limit / 2**30:.1f} (train.cache_gib): they are computed in every epoch instead"
                )
            return clips
        self.used = used
        accelerator.wait_for_everyone()  # a file that is there now is there for all
        missing = self._find_missing(files, accelerator)
        save = write_state_summary if summary else write_state
        if missing:
            self.check_writable()
        for layer, home in homes.items() if accelerator.is_main_process else ():
            with nullcontext() if missing else suppress(StorageError):  # nothing needs to be written: it may be refused
                self.describe(
                    home, {"encoder": name, **collect_layer_facts(encoder, layer, *settings, summary=summary)}
                )
        absent_frames = missing
        if missing and summary:
            framed = _list_files(self._find_homes(encoder, layers, settings), names)
            absent_frames = self._summarize(missing, framed, files, accelerator)
        self._compute(inputs, absent_frames, files, encoder, front, accelerator, config, save)
        accelerator.wait_for_everyone()
        # Machines without a common disk: each makes up for what the others have written elsewhere.
        absent = [number for number in missing if not all(path.is_file() for path in files[number].values())]
        self._compute(inputs, absent, files, encoder, front, accelerator, config, save, alone=True)
        if missing and accelerator.is_local_main_process:
            self.evict(keep=self.used.keys())  # the training part's, too, when dev comes in
        of_clip: list[list[dict[int, Path]]] = [[] for _ in range(len(clips))]
        for window, clip in enumerate(owner):
            of_clip[clip].append(files[window])
        if views is None:
            return CachedClips(clips, of_clip, reduce=reduce)
        lengths = [[read_seconds(paths[layers[0]]) for paths in window_paths] for window_paths in of_clip]
        return CachedClips(clips, of_clip, lengths, reduce)

    def _find_homes(
        self, encoder: Encoder, layers: Sequence[int], settings: tuple[str, str], *, summary: bool = False
    ) -> dict[int, Path]:
        """The folder of each layer's entries."""
        keys = hash_layers(encoder, layers, *settings, summary=summary)
        return {layer: self.folder / key for layer, key in zip(layers, keys, strict=True)}

    def _summarize(self, missing: list[int], framed: Files, files: Files, accelerator: Accelerator) -> list[int]:
        """Summarises cached frames, each process its share.

        Returns:
            The clips that still lack an entry.
        """
        summarized = []
        for number in missing[accelerator.process_index :: accelerator.num_processes]:
            wanted = [layer for layer, path in files[number].items() if not path.is_file()]
            try:
                states = {layer: read_state(framed[number][layer]) for layer in wanted}
                seconds = read_seconds(framed[number][wanted[0]]) if wanted else 0.0
            except CacheError:  # frames that aren't there, or damaged: the clip is encoded
                continue
            for layer, state in states.items():
                write_summary(files[number][layer], Summary.from_mean(state.mean, state.residual), seconds)
            summarized.append(number)
        return sorted(set(missing) - set(gather_object(summarized)))

    def _find_missing(self, files: Files, accelerator: Accelerator) -> list[int]:
        """The clips of which an entry isn't there, or is damaged. Those are deleted, and named on the terminal.

        The processes of each machine read their share through.
        """
        gone = {number for number, paths in enumerate(files) if sum(map(touch, paths.values())) < len(paths)}
        accelerator.wait_for_everyone()  # no process deletes before all have looked
        step = int(os.environ.get("LOCAL_WORLD_SIZE", accelerator.num_processes))
        share = range(accelerator.local_process_index, len(files), step)
        bar = progress_bar(share, "checking the cache", shown=accelerator.is_local_main_process, delay=5.0)
        damaged = []
        for number in bar:
            there = [path for path in files[number].values() if path not in self._complete and path.is_file()]
            broken = [path for path in there if not is_whole(path)]
            self._complete.update(there)
            damaged += [(number, path) for path in broken]
            for path in broken:
                _delete(path)
        damaged = sorted(gather_object(damaged))
        if damaged and accelerator.is_main_process:
            write_line(
                f"{len(damaged)} entries of the feature cache aren't what was written there, by their checksum or key; "
                f"they are computed anew. Is the disk sound?\n{listing(path for _, path in damaged)}"
            )
        return sorted(gone | {number for number, _ in damaged})

    def touch_all(self) -> None:
        """Marks the entries in use as used now, so that other runs evict other entries first."""
        if time.monotonic() - self._marked > _MARK_SECONDS:
            for path in self.used:
                touch(path)
            self._marked = time.monotonic()

    def _compute(
        self,
        inputs: UtteranceDataset | ViewedClips,
        missing: list[int],
        files: Files,
        encoder: Encoder,
        front: SpeechFront,
        accelerator: Accelerator,
        config: ComputeConfig,
        save: Callable[[Path, Tensor, float], None],
        *,
        alone: bool = False,
    ) -> None:
        """Encodes the windows or views that are missing: this process' share, or all of them if `alone`."""
        if not missing:
            return
        masks = isinstance(inputs, ViewedClips) and inputs.chain.on_mel
        processes = OneProcess(accelerator.device, accelerator.autocast) if alone else AcceleratedProcesses(accelerator)
        how = Pass(processes, 0.0 if masks else config.batch_seconds, config.workers)  # masks are drawn for one view
        plan = plan_evaluation(inputs, how, missing)
        count = sum(bool(step[processes.process_index]) for step in plan)
        bar = progress_bar(
            load_batches(inputs, plan, how),
            "encoding",
            shown=accelerator.is_local_main_process,
            unit="batch",
            total=count,
        )
        layers = list(files[0])
        encoder.to(accelerator.device)

        def encode(work: tuple[list[int], Batch]) -> EncoderOutput:
            indices, batch = work
            act = inputs.mask(indices[0]) if isinstance(inputs, ViewedClips) else None
            clips = front(batch.waveform, batch.lengths)
            return encoder(clips.waveform, clips.lengths, layers, on_mel=act if encoder.has_mel else None)

        batches = ((indices, (indices, batch)) for indices, batch in bar)
        with evaluation_mode(encoder):
            for numbers, (_, batch), (states, mask) in run_batches(encode, batches, partial(inference_context, how)):
                for row, number in enumerate(numbers):
                    for layer, state in zip(layers, states[:, row, mask[row]], strict=True):
                        if not files[number][layer].is_file():  # of some clips only other layers are missing
                            save(files[number][layer], state, batch.lengths[row].item() / SAMPLE_RATE)


def _list_files(homes: dict[int, Path], names: Sequence[str]) -> Files:
    return [{layer: home / key[:2] / f"{key}{SUFFIX}" for layer, home in homes.items()} for key in names]


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} is damaged and can't be deleted ({error.strerror}): delete it by hand") from error


def _split_windows(clips: UtteranceDataset) -> tuple[UtteranceDataset, list[int]]:
    """The windows to encode, in the place of a training clip's random crops; and the clip of each window."""
    if not clips.training:
        return clips, list(range(len(clips)))
    windows = UtteranceDataset(clips.corpus, [], clips.config, training=False)
    return windows, [row for row, _, _ in windows.segments]  # in training each row is one clip
