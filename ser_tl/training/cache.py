"""What the frozen layers of an encoder make of a clip: computed once, read from then on.

    FOLDER / key of a layer and all below it, normalisation, precision / key of the audio and the window.safetensors

    FeatureCache(folder).fill(clips, encoder, layers, ...) -> CachedClips, which stand in for `Utterances`
    with views: of each clip not itself, but its augmented views (`training.views`), of which an epoch draws one

Nothing is keyed by name (`training.keys`): a stale or foreign entry can't be found. Entries are written beside their
place and moved there whole, so a killed process leaves nothing half-valid, and several processes can write at once.
Folds, runs, choices of layers and strategies share all they have in common.
"""

import json
import os
import time
from collections.abc import Collection, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from tqdm.auto import tqdm

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.batching import Utterances, loader, plan_batches
from ser_tl.encoders import Encoder
from ser_tl.encoders.mel import tapped
from ser_tl.errors import CacheError
from ser_tl.training.cached import CachedClips
from ser_tl.training.config import TrainConfig
from ser_tl.training.entries import is_whole, read_seconds, touch, write_state
from ser_tl.training.keys import clip_keys, layer_facts, layer_keys
from ser_tl.training.views import ViewedClips, Views

FACTS_FILE = "encoder.json"
SUFFIX = ".safetensors"
VIEW = ".view"  # before the suffix, where an entry is of an augmented view

_ABANDONED = 86_400.0  # seconds after which a half-written file is nobody's any more


def default_folder() -> Path:
    """$SER_TL_CACHE, or ser_tl in the user's cache folder."""
    if given := os.environ.get("SER_TL_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ser_tl"


@dataclass(frozen=True)
class EncoderCache:
    """The entries of one layer of an encoder, as `ser-tl cache` shows them.

    Args:
        folder: where they are
        facts: encoder's name, family, layer and so on
        entries: number of clips and views
        views: how many of them are augmented views
        size: bytes
        used: when one was used last, seconds since the epoch
    """

    folder: Path
    facts: dict[str, Any]
    entries: int
    views: int
    size: int
    used: float


class FeatureCache:
    """A folder of encoders' states.

    Args:
        folder: `default_folder()` if None
        gib: the most that may lie there, in GiB; the least recently used entries make room
    """

    def __init__(self, folder: Path | None = None, gib: float = 20.0) -> None:
        self.folder = folder or default_folder()
        self.limit = int(gib * 2**30)
        self.used: dict[Path, float] = {}  # entries that clips of this cache read, and about how many bytes each takes

    def fill(
        self,
        clips: Utterances,
        encoder: Encoder,
        layers: Sequence[int],
        accelerator: Accelerator,
        config: TrainConfig,
        *,
        name: str = "",
        views: Views | None = None,
    ) -> CachedClips | Utterances:
        """Computes what is missing, the processes each their share. Every process calls it.

        Args:
            clips: the clips
            encoder: the encoder
            layers: places of the states that are kept; no block below them may move as long as the clips are used
            accelerator: whose processes share the work, in its precision
            config: batch size and workers
            name: what the encoder was loaded as, for the record
            views: of training clips, that are encoded in their place; None for the clips as they are

        Returns:
            The cached clips; the clips themselves, with a note on the terminal, where the cache can't hold them.

        Raises:
            CacheError: it can't hold the views
        """
        windows, owner = _windows(clips)
        heard: Utterances | ViewedClips = windows
        names = clip_keys(windows)
        if views is not None:
            heard, owner = views.of(windows), [clip for clip in owner for _ in range(views.number)]
            names = [f"{key}{VIEW}" for key in heard.keys]
        settings = (clips.config.normalise, accelerator.mixed_precision)
        keys = layer_keys(encoder, layers, *settings)
        homes = {layer: self.folder / key for layer, key in zip(layers, keys, strict=True)}
        files = [{layer: home / key[:2] / f"{key}{SUFFIX}" for layer, home in homes.items()} for key in names]
        rate = 2 * encoder.dim * encoder.frame_rate  # bytes a second
        used = dict(self.used)
        for paths, seconds in zip(files, heard.seconds, strict=True):
            used |= dict.fromkeys(paths.values(), rate * seconds)
        need = sum(used.values())
        if need > self.limit:
            if views is not None:
                raise CacheError(
                    f"{views.number} views of {len(windows)} clips would take {need / 2**30:.1f} GiB with what is used "
                    f"besides, and the cache may hold {self.limit / 2**30:.1f}: allow more (--train.cache_gib), make "
                    f"fewer (--augment.views), or use fewer layers (--model.layers)"
                )
            if accelerator.is_main_process:
                tqdm.write(
                    f"with this part the encoder's states would take {need / 2**30:.1f} GiB, the cache may hold "
                    f"{self.limit / 2**30:.1f} (train.cache_gib): they are computed in every epoch instead"
                )
            return clips
        self.used = used
        if accelerator.is_main_process:
            for layer, home in homes.items():
                _write_facts(home, {"encoder": name, **layer_facts(encoder, layer, *settings)})
        accelerator.wait_for_everyone()  # a file that is there now is there for all
        missing = [number for number, paths in enumerate(files) if sum(map(touch, paths.values())) < len(paths)]
        accelerator.wait_for_everyone()
        self._compute(heard, missing, files, encoder, accelerator, config)
        accelerator.wait_for_everyone()
        # Machines without a common disk: each makes up for what the others have written elsewhere.
        absent = [number for number in missing if not all(path.is_file() for path in files[number].values())]
        self._compute(heard, absent, files, encoder, accelerator, config, alone=True)
        if missing and accelerator.is_local_main_process:
            self.shrink(keep=self.used.keys())  # the training part's, too, when dev comes in
        of_clip: list[list[dict[int, Path]]] = [[] for _ in range(len(clips))]
        for window, clip in enumerate(owner):
            of_clip[clip].append(files[window])
        if views is None:
            return CachedClips(clips, of_clip)
        return CachedClips(clips, of_clip, [[read_seconds(paths[layers[0]]) for paths in own] for own in of_clip])

    @torch.no_grad()
    def _compute(
        self,
        heard: Utterances | ViewedClips,
        missing: list[int],
        files: list[dict[int, Path]],
        encoder: Encoder,
        accelerator: Accelerator,
        config: TrainConfig,
        *,
        alone: bool = False,
    ) -> None:
        """Encodes the windows or views that are missing: this process' share, or all of them if `alone`."""
        if not missing:
            return
        processes, process = (1, 0) if alone else (accelerator.num_processes, accelerator.process_index)
        masks = isinstance(heard, ViewedClips) and heard.chain.on_mel
        seconds, budget = heard.seconds, 0.0 if masks else config.batch_seconds  # masks are drawn for one view
        plan = plan_batches([seconds[place] for place in missing], budget, processes=processes)
        plan = [[[missing[place] for place in batch] for batch in step] for step in plan]
        own = [step[process] for step in plan if step[process]]
        training = encoder.training
        encoder.to(accelerator.device).eval()
        batches = loader(heard, plan, process=process, workers=config.workers)
        bar = tqdm(
            batches, total=len(own), desc="encoding", disable=not accelerator.is_local_main_process, unit="batch"
        )
        layers = list(files[0])
        for numbers, batch in zip(own, bar, strict=True):
            moved = batch.to(accelerator.device)
            act = heard.mask(numbers[0]) if isinstance(heard, ViewedClips) else None
            with accelerator.autocast(), nullcontext() if act is None else tapped(encoder, act):
                states, mask = encoder(moved.waveform, moved.lengths, layers)
            for row, number in enumerate(numbers):
                for layer, state in zip(layers, states[:, row, mask[row]], strict=True):
                    if not files[number][layer].is_file():  # of some clips only other layers are missing
                        write_state(files[number][layer], state, batch.lengths[row].item() / SAMPLE_RATE)
        encoder.train(training)

    def encoders(self) -> list[EncoderCache]:
        """What lies in the cache, the last used first."""
        found = []
        for facts in sorted(self.folder.glob(f"*/{FACTS_FILE}")):
            paths = list(facts.parent.glob(f"*/*{SUFFIX}"))
            status = [path.stat() for path in paths]
            found.append(
                EncoderCache(
                    folder=facts.parent,
                    facts=json.loads(facts.read_text(encoding="utf-8")),
                    entries=len(status),
                    views=sum(path.stem.endswith(VIEW) for path in paths),
                    size=sum(one.st_size for one in status),
                    used=max((one.st_mtime for one in status), default=facts.stat().st_mtime),
                )
            )
        return sorted(found, key=lambda encoder: -encoder.used)

    def verify(self, *, delete: bool = False) -> list[Path]:
        """Reads every entry through, and returns those whose content isn't what was written.

        Args:
            delete: delete them, so that they are computed anew
        """
        damaged = [path for path in sorted(self.folder.glob(f"*/*/*{SUFFIX}")) if not is_whole(path)]
        for path in damaged if delete else []:
            path.unlink(missing_ok=True)
        return damaged

    def shrink(self, keep: Collection[Path] = (), limit: int | None = None) -> None:
        """Deletes the least recently used entries until the rest is within the limit, and what killed processes left.

        Args:
            keep: entries that stay in any case
            limit: bytes; the cache's own limit if None
        """
        limit = self.limit if limit is None else limit
        begun = time.time() - _ABANDONED
        for path in self.folder.glob("*/*/*.part"):
            with suppress(FileNotFoundError):  # another process may be at it, too
                if path.stat().st_mtime < begun or limit == 0:
                    path.unlink()
        entries = []
        for path in self.folder.glob(f"*/*/*{SUFFIX}"):
            with suppress(FileNotFoundError):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        size = sum(one for _, one, _ in entries)
        for _, one, path in sorted(entries):
            if size <= limit:
                break
            if path not in keep:
                path.unlink(missing_ok=True)
                size -= one

    def clear(self) -> None:
        """Deletes all entries. Files that aren't the cache's stay."""
        self.shrink(limit=0)
        for facts in self.folder.glob(f"*/{FACTS_FILE}"):
            facts.unlink(missing_ok=True)
        for folder in sorted(self.folder.glob("*/*/"), reverse=True) + sorted(self.folder.glob("*/"), reverse=True):
            with suppress(OSError):  # not empty: somebody's own
                folder.rmdir()


def _windows(clips: Utterances) -> tuple[Utterances, list[int]]:
    """What is encoded once: a training clip's windows rather than its random crops; and the clip of each window."""
    if not clips.training:
        return clips, list(range(len(clips)))
    windows = Utterances(clips.corpus, [], clips.config, training=False)
    return windows, [row for row, _, _ in windows.parts]  # in training each row is one clip


def _write_facts(home: Path, facts: dict[str, object]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    part = home / f"{FACTS_FILE}.{os.getpid()}.part"
    part.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    part.replace(home / FACTS_FILE)
