"""What a training goes on from besides its options, in fingerprints: a training state is of these inputs and no others.

    encoder, train, dev, unlabelled --fingerprint_inputs--> digests by name, kept in training states, compared on resume

Ids alone don't say it: labels of a manifest are corrected, recordings are exported anew, weights in a folder replaced.
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
    """Fingerprints of all that a training is given, by what a person would call it.

    Args:
        encoder: before its first step, and before adapters
        labels: the model's classes, in their order
        train: the training part
        dev: the dev part
        unlabelled: clips of another domain, whose labels don't count
    """
    found = {"the encoder's weights": fingerprint(encoder.state_dict()), "the classes": _digest(list(labels))}
    for name, part in (("training", train), ("dev", dev), ("unlabelled", unlabelled)):
        if part is not None:
            found[f"the {name} part's audio"] = _digest(content_keys(part))
            if part is not unlabelled:
                found[f"the {name} part's labels or speakers"] = label_digest(part)
    return found


def label_digest(corpus: Dataset) -> str:
    """The digest of all columns that say what a clip is, row by row."""
    return _digest({name: corpus[name][:] for name in _LABELS if name in corpus.column_names})


def check_inputs(saved: Mapping[str, str], now: Mapping[str, str], source: object) -> None:
    """Refuses to go on with other inputs.

    Args:
        saved: with the training state
        now: of this training
        source: the training state, for messages

    Raises:
        CheckpointError: some aren't the same, with their names
    """
    other = sorted(name for name in {*saved, *now} if saved.get(name) != now.get(name))
    if other:
        raise CheckpointError(
            f"{source}: since this training began {', '.join(other)} changed, and to go on would mix two trainings: "
            f"put back what was there, or start anew in another --output"
        )


def _digest(facts: object) -> str:
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()
