"""Fingerprints of weights: a digest of every value.

    tensor --digest--> 32 hexadecimal digits        weights by name --fingerprint--> 32 hexadecimal digits

Two encoders have the same fingerprint if all their weights are the same to the last bit, wherever these came from and
whatever their folder is called.
"""

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor


def digest(tensor: Tensor) -> str:
    """The BLAKE2 digest of a tensor's values."""
    content = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def fingerprint(weights: Mapping[str, Tensor], *facts: object) -> str:
    """The BLAKE2 digest of weights, in whichever order they come.

    Args:
        weights: by name
        facts: what else should make a difference, as JSON
    """
    key = hashlib.blake2b(digest_size=16)
    key.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for name, tensor in sorted(weights.items()):
        key.update(name.encode())
        key.update(digest(tensor).encode())
    return key.hexdigest()
