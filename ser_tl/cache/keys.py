"""The keys of the feature cache: digests of all that an entry's content depends on, and of nothing else.

    hash_layers(encoder, layers, ...) / hash_clips(windows) -> the entries of some layers and some clips

A state depends on the encoder's blocks up to its own: weights above it may be others, or trained, and the entry is
still found, by every fold, head and strategy that freezes the blocks below. What is computed without weights, and
what a class outside the package computes, depends on code: its source is part of the key. Nothing is keyed by name.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from ser_tl.augment import Chain
from ser_tl.augment.base import Transform, WaveformTransform
from ser_tl.data.batching import UtteranceDataset
from ser_tl.data.checks import content_keys
from ser_tl.encoders import Block, Encoder
from ser_tl.encoders.code_digests import code_digest
from ser_tl.encoders.fingerprint import digest
from ser_tl.model import EmotionModel

FORMAT = 3
"""Part of every key: a change of the layout begins a new cache."""

VIEWS = 1
"""Part of every view's key: raised whenever views change though no transform's source does."""


def find_cacheable_layers(model: EmotionModel, trainable: Sequence[Block]) -> list[int]:
    """The states that can be cached: used ones that stay the same, and the highest such one, the input of those above.

    Args:
        model: which states it uses
        trainable: the encoder's blocks that are trained at any time

    Returns:
        Indices of states below all trainable blocks, rising; empty where the encoder's first block is trained.
    """
    weights = {id(weight) for block in trainable for weight in block.modules.parameters()}

    def stays(layer: int) -> bool:
        below = [weight for block in model.encoder.blocks_below(layer) for weight in block.modules.parameters()]
        return weights.isdisjoint(map(id, below))

    lasting = [layer for layer in range(max(model.layers) + 1) if stays(layer)]
    return [layer for layer in lasting if layer in model.layers or layer == lasting[-1]]


def collect_layer_facts(
    encoder: Encoder, layer: int, normalise: str, precision: str, *, summary: bool = False
) -> dict[str, object]:
    """The facts that a layer's entries depend on beside weights.

    Args:
        encoder: whose layer
        layer: the index of its state
        normalise: what happens to a clip before the encoder
        precision: what the encoder runs in
        summary: whether a summary is cached in the place of all frames
    """
    facts: dict[str, object] = {
        "family": encoder.family,
        "layers": [layer],
        "channels": encoder.dim,
        "normalise": normalise,
        "precision": precision,
    }
    return facts | {"content": "summary"} if summary else facts


def hash_layers(
    encoder: Encoder, layers: Sequence[int], normalise: str, precision: str, *, summary: bool = False
) -> list[str]:
    """The keys of some layers, with the arguments of `collect_layer_facts`."""
    tensors = encoder.state_dict(keep_vars=True)
    code = _digest_code(encoder)
    digests: dict[str, str] = {}  # each tensor is read once, however many layers are above it
    keys = []
    for layer in layers:
        below = {block.name for block in encoder.blocks_below(layer)}
        others = [block.modules.state_dict(keep_vars=True) for block in encoder.blocks() if block.name not in below]
        above = {id(tensor) for tensors in others for tensor in tensors.values()}
        facts = collect_layer_facts(encoder, layer, normalise, precision, summary=summary)
        key = hashlib.blake2b(digest_size=16)
        key.update(json.dumps([FORMAT, facts, encoder.config, code], sort_keys=True, default=str).encode())
        for name, tensor in sorted(tensors.items()):
            if id(tensor) not in above:
                if name not in digests:
                    digests[name] = digest(tensor)
                key.update(f"{name} {digests[name]}".encode())
        keys.append(key.hexdigest())
    return keys


def _digest_code(encoder: Encoder) -> list[str]:
    """Digests of the code that an encoder's states follow from beside weights; none for the package's pretrained ones.

    These are the same model wherever they run, and hours of work may lie in the cache: `FORMAT` is raised where their
    states change.
    """
    parts = [part for part in encoder.modules() if isinstance(part, Encoder)]  # a fused encoder has several
    computed = [
        part
        for part in parts
        if not any(True for _ in part.parameters()) or not type(part).__module__.startswith("ser_tl.")
    ]
    return [code_digest(type(part), Encoder) for part in computed]


def hash_clips(windows: UtteranceDataset) -> list[str]:
    """The keys of clips: of the audio's bytes, and of where in them each clip lies."""
    contents = content_keys(windows.corpus)
    return [
        hashlib.blake2b(f"{contents[row]}|{start:.6f}-{end:.6f}".encode(), digest_size=16).hexdigest()
        for row, start, end in windows.segments
    ]


def hash_views(contents: Sequence[str], chain: Chain, number: int) -> list[str]:
    """The keys of clips' augmented views: of the clip, the transforms and all that they mix in, not where that lay.

    Args:
        contents: keys of the clips
        chain: the transforms, prepared
        number: of views of each clip

    Returns:
        Those of the first clip's views, then those of the second's, and so on.
    """
    facts: list[object] = [VIEWS, chain.longest, code_digest(type(chain), object)]
    for name, transform in zip(chain.names, chain.transforms, strict=True):
        options = {option: value for option, value in asdict(transform).items() if option != "folder"}
        fetched = transform.fetched if isinstance(transform, WaveformTransform) else []
        code = code_digest(type(transform), Transform)
        facts.append([name, options, code, [[list(tensor.shape), digest(tensor)] for tensor in fetched]])
    changes = json.dumps(facts, sort_keys=True)
    return [
        hashlib.blake2b(f"{changes}|{content}|{view}".encode(), digest_size=16).hexdigest()
        for content in contents
        for view in range(number)
    ]
