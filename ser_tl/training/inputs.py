"""Fingerprints of a training's inputs besides its options: a training state can be resumed with the same inputs only.

    encoder, train, dev, unlabelled --fingerprint_inputs--> digests by name, kept in training states, compared on resume

Ids alone aren't enough: labels of a manifest are corrected, recordings are exported anew, weights in a folder replaced.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from datasets import Dataset

from ser_tl.data.checks import content_keys
from ser_tl.data.schema import DIMENSIONS
from ser_tl.encoders import Encoder
from ser_tl.encoders.fingerprint import fingerprint
from ser_tl.errors import CheckpointError

_LABELS = ("id", "emotion", "speaker", "corpus", "votes", "recognised", *DIMENSIONS)


def fingerprint_inputs(
    encoder: Encoder, labels: Sequence[str], train: Dataset, dev: Dataset, unlabelled: Dataset | None
) -> dict[str, str]:
    """Fingerprints of all that a training is given, by name as messages give it.

    Args:
        encoder: before its first step, and before adapters
        labels: the model's classes, in their order
        train: the training part
        dev: the dev part
        unlabelled: clips of another domain, whose labels don't count
    """
    digests = {"the encoder's weights": fingerprint(encoder.state_dict()), "the classes": _digest(list(labels))}
    for name, part in (("training", train), ("dev", dev), ("unlabelled", unlabelled)):
        if part is not None:
            digests[f"the {name} part's audio"] = _digest(content_keys(part))
            if part is not unlabelled:
                digests[f"the {name} part's labels or speakers"] = digest_labels(part)
    return digests


def digest_labels(corpus: Dataset) -> str:
    """The digest of all columns of labels, row by row."""
    return _digest({name: corpus[name][:] for name in _LABELS if name in corpus.column_names})


def check_inputs(saved: Mapping[str, str], now: Mapping[str, str], source: object) -> None:
    """Refuses to resume with other inputs.

    Args:
        saved: with the training state
        now: of this training
        source: the training state, for messages

    Raises:
        CheckpointError: some aren't the same, with their names
    """
    changed = sorted(name for name in {*saved, *now} if saved.get(name) != now.get(name))
    if changed:
        raise CheckpointError(
            f"{source}: since this training began {', '.join(changed)} changed, and resuming would mix two trainings: "
            f"restore the old inputs, or start anew in another `output`"
        )


def _digest(facts: object) -> str:
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()
