"""What is computed without weights is found again by the code that computed it, and by no other."""

import importlib
import sys
from types import ModuleType

import pytest
import torch

from ser_tl.augment.base import Transform
from ser_tl.augment.noise import Noise
from ser_tl.cache import keys
from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.cache.keys import hash_layers, hash_views
from ser_tl.data.audio import AudioConfig
from ser_tl.data.batching import UtteranceDataset
from ser_tl.encoders import Encoder, Fused, code_digests, load_encoder
from ser_tl.encoders.code_digests import code_digest
from ser_tl.runtime.processes import build_accelerator
from tests.encoders.tiny import tiny
from tests.training.samples import tone_corpus, train_config

ENCODER = """
import torch
from {helpers} import SCALE, scaled
from ser_tl.encoders.computed import Computed

class Energy(Computed):
    family = "energy"
    dim = 1

    def __init__(self, hop=0.01):
        super().__init__(hop, {{"hop": hop}})

    @classmethod
    def from_pretrained(cls, source, **options):
        return cls(**options)

    def features(self, waveform, lengths, on_mel=None):
        counts = self.counts(lengths)
        padded = torch.nn.functional.pad(waveform, (0, int(counts.max()) * self.hop - waveform.shape[1]))
        return scaled(padded.unfold(1, self.hop, self.hop).square().mean(-1, keepdim=True))

class Louder(Energy):
    pass
"""
HELPERS = "SCALE = 1.0\n\ndef scaled(frames):\n    return SCALE * frames\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A user's own package with an encoder, a base of it and helpers; gives what loads it anew after a change."""
    home = tmp_path / "mine"
    home.mkdir()
    (home / "__init__.py").touch()
    (home / "helpers.py").write_text(HELPERS)
    (home / "energy.py").write_text(ENCODER.format(helpers="mine.helpers"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(name="Louder", **changes):
        for file, (old, new) in changes.items():
            path = home / f"{file}.py"
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new))
        for module in [module for module in sys.modules if module.partition(".")[0] == "mine"]:
            del sys.modules[module]
        importlib.invalidate_caches()
        return getattr(importlib.import_module("mine.energy"), name)

    yield load
    for module in [module for module in sys.modules if module.partition(".")[0] == "mine"]:
        del sys.modules[module]


def key(kind) -> str:
    return hash_layers(kind(), [0], "none", "no")[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"energy": (".square()", ".abs()")},  # the base's features()
        {"energy": ("    pass", "    def counts(self, lengths):\n        return lengths // self.hop + 1")},  # its own
        {"helpers": ("SCALE * frames", "SCALE + frames")},
        {"helpers": ("SCALE = 1.0", "SCALE = 2.0")},
    ],
    ids=["base", "class", "function", "constant"],
)
def test_other_code_has_other_keys_and_the_same_code_the_same(package, changes):
    before = key(package())
    assert key(package()) == before
    assert key(package(**changes)) != before
    back = {file: (new, old) for file, (old, new) in changes.items()}
    assert key(package(**back)) == before


def test_a_changed_features_is_computed_anew(package, tmp_path):
    """What a user saw: yesterday's features, after features() had been changed."""
    corpus = tone_corpus(tmp_path / "tones", speakers=1, takes=1)
    clips = UtteranceDataset(corpus, [], AudioConfig(), training=False)
    store = FeatureCache(tmp_path / "cache")

    def cached(kind):
        state = store.fill(clips, kind(), [0], build_accelerator(train_config(), None), train_config())[0].states[0]
        return state.mean + state.residual

    before = cached(package())
    after = cached(package(helpers=("SCALE = 1.0", "SCALE = 3.0")))
    torch.testing.assert_close(after, 3.0 * before, atol=1e-4, rtol=1e-3)


def test_a_file_that_was_changed_but_not_loaded_has_neither_the_old_key_nor_the_new(package, tmp_path):
    """Else a notebook would keep what its old code computes under the key of the new one."""
    old = package()
    before = key(old)
    path = tmp_path / "mine" / "energy.py"
    path.write_text(path.read_text().replace(".square()", ".abs()"))
    code_digest.cache_clear()
    stale = key(old)
    assert len({before, stale, key(package())}) == 3


@pytest.mark.parametrize("name", ["mfcc", "prosody", "logmel-40"])
def test_computed_encoders_of_the_package_are_known_by_their_source(name, monkeypatch):
    encoder = load_encoder(name)
    before = hash_layers(encoder, [0], "none", "no")
    monkeypatch.setattr(keys, "code_digest", lambda *_: "other code")
    assert hash_layers(encoder, [0], "none", "no") != before


def test_only_code_that_pretrained_encoders_bring_along_is_part_of_their_keys(package, monkeypatch):
    """The package's own are the same model wherever they run; a fused encoder has a computed part."""
    asked = []
    monkeypatch.setattr(keys, "code_digest", lambda kind, base: asked.append(kind.__name__) or "")
    hash_layers(tiny("whisper"), [0], "none", "no")
    assert asked == []
    hash_layers(Fused([tiny("whisper"), load_encoder("mfcc")]), [0], "none", "no")
    assert asked == [type(load_encoder("mfcc")).__name__]
    own = type("Own", (type(tiny("whisper")),), {"__module__": "mine.energy"})
    encoder = tiny("whisper")
    encoder.__class__ = own
    hash_layers(encoder, [0], "none", "no")
    assert asked[-1] == "Own"


def test_helpers_of_the_encoders_room_count_and_other_rooms_do_not():
    prosody = sys.modules[type(load_encoder("prosody")).__module__]
    reached = set(code_digests._with_helpers({prosody.__name__: prosody}))
    assert reached >= {"ser_tl.encoders.prosody", "ser_tl.encoders.pitch", "ser_tl.encoders.computed"}
    assert not any(name.startswith(("ser_tl.data", "ser_tl.model", "torch")) for name in reached)
    assert "ser_tl.encoders.whisper" not in reached


def test_views_are_known_by_their_transforms_code(monkeypatch):
    from ser_tl.augment import AugmentConfig, Chain

    chain = Chain(AugmentConfig(transforms={"noise": {}}, views=1).select(on_audio=True), 0, longest=1.0)
    before = hash_views(["a"], chain, 2)
    assert hash_views(["a"], chain, 2) == before
    monkeypatch.setattr(keys, "code_digest", lambda kind, base: "other" if kind is Noise else code_digest(kind, base))
    assert not set(hash_views(["a"], chain, 2)) & set(before)
    monkeypatch.setattr(keys, "code_digest", lambda kind, base: "other" if kind is Chain else code_digest(kind, base))
    assert not set(hash_views(["a"], chain, 2)) & set(before)


SESSION = """
from ser_tl.encoders.computed import Computed
FACTOR = {factor}
def helper(x): return FACTOR * x
class Mine(Computed):
    def features(self, waveform, lengths, on_mel=None):
        return helper(waveform) if self.family in {{"a", "b", "c", "d"}} else None
"""


def test_a_class_of_an_interactive_session_is_known_by_its_byte_code(monkeypatch):
    """And by the functions and constants of the session that it names."""

    def digest(factor):
        session = ModuleType("session")  # no file
        monkeypatch.setitem(sys.modules, "session", session)
        exec(SESSION.format(factor=factor), vars(session))
        return code_digest(session.Mine, Encoder)

    assert digest(1) == digest(1) != digest(2)


def test_constants_read_the_same_whatever_the_order_of_hashes_and_the_addresses():
    assert code_digests._text(frozenset("dcba")) == "{'a', 'b', 'c', 'd'}"
    assert code_digests._text((1, frozenset([2.0]), None, object())) == "(1, {2.0}, None, object)"


def test_a_digest_asked_for_again_is_the_same():
    known = code_digest(Noise, Transform)
    code_digest.cache_clear()
    assert code_digest(Noise, Transform) == known
