"""VGGish held against its published front end's values, torchvggish's arithmetic and file layout, and its refusals."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from ser_tl.assets import asset
from ser_tl.data.audio import decode
from ser_tl.encoders import VGGish, count_parameters, load_encoder
from ser_tl.errors import EncoderError

from .test_freezing import kept_for_backward, move
from .tiny import _SHARED, clip, padded, vggish

REFERENCE = _SHARED / "reference" / "vggish_logmel_emodb_03b10Ec.npz"
EMODB_CLIP = _SHARED / "corpora" / "emodb" / "03b10Ec.flac"
SILENCE = np.log(0.01)
PCA = ("pca_eigen_vectors", "pca_means")
OUTPUTS = ["embeddings", "frames", "postprocessed"]


def speech() -> torch.Tensor:
    """A clip of EMO-DB (N,)."""
    return torch.from_numpy(decode(sorted(asset("emodb_mini").glob("*.opus"))[7]))


def published_log_mel(waveform: np.ndarray) -> np.ndarray:
    """The published front end, frame by frame and band by band in float64; frames beyond the end are dropped."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi / 400 * np.arange(400))
    bins = 1127 * np.log(1 + np.linspace(0, 8000, 257) / 700)
    edges = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
    frames = []
    for start in range(0, len(waveform) - 399, 160):
        magnitude = np.abs(np.fft.rfft(waveform[start : start + 400].astype(np.float64) * window, 512))
        magnitude[0] = 0.0
        frames.append([magnitude @ np.interp(bins, edges[band : band + 3], [0, 1, 0]) for band in range(64)])
    return np.log(np.array(frames) + 0.01)


def torchvggish(weights: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """Embeddings (V, D) of log-mel examples (V, 96, 64), step by step as torchvggish makes them."""
    hidden = convolved(weights, images).transpose(1, 3).transpose(1, 2).reshape(len(images), -1)
    for layer in (0, 2, 4):
        hidden = (hidden @ weights[f"embeddings.{layer}.weight"].T + weights[f"embeddings.{layer}.bias"]).relu()
    return hidden


def convolved(weights: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """The map (V, C, T, 4) after the last pool."""
    hidden = images[:, None]
    for place in (0, 3, 6, 8, 11, 13):
        weight, bias = weights[f"features.{place}.weight"], weights[f"features.{place}.bias"]
        hidden = functional.conv2d(hidden, weight, bias, padding=1).relu()
        if place not in (6, 11):
            hidden = functional.max_pool2d(hidden, 2)
    return hidden


def pca() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return dict(
        zip(PCA, (torch.randn(16, 16, generator=generator), torch.randn(16, 1, generator=generator)), strict=True)
    )


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    """What vggish-10086976.pth would hold, were it thin."""
    return dict(vggish(seed=3).state_dict())


def states(encoder) -> torch.Tensor:
    with torch.no_grad():
        return encoder.eval()(*padded([clip(20_000), clip(40_000, seed=1)])).states


def test_examples_of_a_real_clip_are_those_of_the_published_front_end():
    if not (REFERENCE.is_file() and EMODB_CLIP.is_file()):
        pytest.skip(f"needs {REFERENCE} and {EMODB_CLIP}, not beside this checkout")
    expected = torch.from_numpy(np.load(REFERENCE)["examples"])
    waveform, lengths = padded([torch.from_numpy(decode(EMODB_CLIP))])
    examples, mask = vggish(hop=0.96).examples(waveform, lengths)
    assert mask.tolist() == [[True] * 4]  # the published three, and one for the 0.3 s that they leave out
    torch.testing.assert_close(examples[0, :3], expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(vggish().examples(waveform, lengths)[0][0, :5:2], expected, atol=1e-3, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("samples", [400, 15_600, 20_001])
def test_the_log_mel_is_that_of_the_published_procedure(samples):
    waveform = speech()[:samples]
    expected = torch.from_numpy(published_log_mel(waveform.numpy())).float()
    mel = vggish().log_mel(waveform[None], len(expected) + 3)[0]
    assert mel.shape == (len(expected) + 3, 64)
    torch.testing.assert_close(mel[: len(expected)], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(mel[-1], torch.full((64,), SILENCE), atol=1e-6, rtol=0)


def test_the_log_mel_stays_in_float32_under_autocast():
    encoder, one = vggish(), clip(8000)[None].bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mel = encoder.log_mel(one, 60)
    assert mel.dtype == torch.float32
    assert torch.equal(mel, encoder.log_mel(one.float(), 60))


@pytest.mark.parametrize(
    ("samples", "starts"),
    [
        (1, [0]),
        (15_600, [0]),  # the 96 frames of an example, exactly
        (15_601, [0, 1]),
        (15_600 + 160 * 48, [0, 48]),
        (15_600 + 160 * 100, [0, 48, 96, 100]),
    ],
)
def test_examples_begin_every_hop_and_the_last_ends_with_the_clip(samples, starts):
    encoder, one = vggish(), clip(samples)
    examples, mask = encoder.examples(*padded([one, clip(4 * 16_000, seed=1)], behind=1.0))
    mel = encoder.log_mel(one[None], starts[-1] + 96)[0]
    assert mask[0].sum() == len(starts)
    torch.testing.assert_close(examples[0, : len(starts)], torch.stack([mel[start : start + 96] for start in starts]))


def test_what_is_missing_of_a_short_clip_is_silence():
    (example,), _ = vggish().examples(*padded([clip(4000)]))
    assert (example[0, :24] > SILENCE + 0.1).any(dim=1).all()
    torch.testing.assert_close(example[0, 25:], torch.full((71, 64), SILENCE), atol=1e-6, rtol=0)


@torch.no_grad()
def test_embeddings_are_those_of_torchvggish_s_arithmetic():
    encoder = vggish()
    (examples,), _ = encoder.examples(*padded([clip(40_000)]))
    expected = torchvggish(encoder.state_dict(), examples)
    assert expected.std() > 0.1
    torch.testing.assert_close(encoder(*padded([clip(40_000)])).states[0, 0], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_frames_are_the_convolutions_of_the_whole_clip():
    encoder = vggish(output="frames")
    mel = encoder.log_mel(clip(40_000)[None], 256)
    expected = convolved(encoder.state_dict(), mel)[0].permute(1, 2, 0)  # (T, 4, C)
    found = encoder(*padded([clip(40_000)])).states[0, 0]
    assert found.shape == (16, 32)
    torch.testing.assert_close(found.unflatten(1, (4, 8)), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_postprocessed_is_whitened_clipped_and_in_eight_bits():
    encoder = vggish(output="postprocessed")
    encoder.pproc.load_state_dict(pca())
    (examples,), _ = encoder.examples(*padded([clip(40_000)]))
    whitened = (torchvggish(encoder.state_dict(), examples) - pca()["pca_means"].T) @ pca()["pca_eigen_vectors"].T
    expected = ((whitened.clip(-2, 2) + 2) / 4 * 255).round()
    found = encoder(*padded([clip(40_000)])).states[0, 0]
    assert len(found.unique()) > 10
    assert torch.equal(found, found.round())
    assert (found.min(), found.max()) == (0, 255)
    assert (found - expected).abs().max() <= 1  # where a value lies on the edge of two steps
    assert (found == expected).float().mean() > 0.95


def test_the_real_size_has_torchvggish_s_names_and_shapes():
    with torch.device("meta"):
        encoder = VGGish(output="postprocessed")
    shapes = {name: tuple(tensor.shape) for name, tensor in encoder.state_dict().items()}
    convs = {0: (64, 1), 3: (128, 64), 6: (256, 128), 8: (256, 256), 11: (512, 256), 13: (512, 512)}
    expected = {f"features.{place}.weight": (*sizes, 3, 3) for place, sizes in convs.items()}
    linear = {0: (4096, 12_288), 2: (4096, 4096), 4: (128, 4096)}
    expected |= {f"embeddings.{place}.weight": sizes for place, sizes in linear.items()}
    expected |= {name.replace("weight", "bias"): sizes[:1] for name, sizes in expected.items()}
    assert shapes == expected | {"pproc.pca_eigen_vectors": (128, 128), "pproc.pca_means": (128, 1)}
    assert count_parameters([encoder]) == 72_141_184
    assert encoder.dim == 128


@pytest.mark.slow
@pytest.mark.parametrize("output", OUTPUTS)
def test_every_kind_of_source_gives_the_same_encoder(output, weights, tmp_path):
    everything = weights | {f"pproc.{name}": tensor for name, tensor in pca().items()}
    torch.save(everything, tmp_path / "whole.pth")
    save_file(everything, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vggish"}))
    (tmp_path / "beside").mkdir()
    torch.save(weights, tmp_path / "beside" / "vggish.pt", _use_new_zipfile_serialization=False)
    arrays = {"pca_eigen_vectors": pca()["pca_eigen_vectors"].numpy(), "pca_means": pca()["pca_means"].numpy()[:, 0]}
    torch.save(arrays, tmp_path / "beside" / "vggish_pca_params-970ea276.pth", _use_new_zipfile_serialization=False)
    expected = vggish(output=output)
    expected.load_state_dict({name: everything[name] for name in expected.state_dict()})
    sources = [tmp_path / "whole.pth", tmp_path, tmp_path / "beside" / "vggish.pt"]
    encoders = [load_encoder(str(source), output=output) for source in sources]
    encoders.append(VGGish.from_pretrained(str(tmp_path / "model.safetensors"), output=output))
    for encoder in encoders:
        assert type(encoder) is VGGish
        assert (encoder.output, encoder.config) == (output, expected.config)
        assert torch.equal(states(encoder), states(expected))


def test_frames_keep_no_weights_of_the_linear_layers(weights, tmp_path):
    torch.save(weights, tmp_path / "vggish.pth")
    encoder = load_encoder(str(tmp_path / "vggish.pth"), output="frames")
    assert [name for name in encoder.state_dict() if not name.startswith("features.")] == []
    assert [block.name for block in encoder.blocks()] == ["conv1", "conv2", "conv3", "conv4"]
    assert [block.name for block in vggish().blocks()][4:] == ["embeddings"]


def broken(weights, change):
    if change == "missing":
        del weights["features.8.bias"], weights["embeddings.2.weight"]
    elif change == "unknown":
        weights |= {"features.16.weight": torch.zeros(1), "state_dict": torch.zeros(1)}
    else:
        weights |= {"features.3.weight": torch.zeros(6, 4, 5, 5), "embeddings.0.weight": torch.zeros(32, 191)}
    return weights


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("missing", ["features.8.bias: expected (8,), found nothing", "embeddings.2.weight: expected (32, 32), found"]),
        ("unknown", ["features.16.weight: unknown to VGGish", "state_dict: unknown to VGGish"]),
        (
            "shape",
            ["features.3.weight: expected (6, 4, 3, 3), found (6, 4, 5, 5)", "expected (32, 192), found (32, 191)"],
        ),
    ],
)
def test_weights_that_are_not_as_published_are_each_named(change, found, weights, tmp_path):
    path = tmp_path / "vggish.pth"
    torch.save(broken(weights, change), path)
    with pytest.raises(EncoderError, match=r"2 of its weights are not as torchvggish .*; download vggish-") as error:
        load_encoder(str(path))
    assert str(path) in str(error.value)
    assert all(line in str(error.value) for line in found)


def test_postprocessing_without_its_file_tells_which_one_belongs_beside(weights, tmp_path):
    torch.save(weights, tmp_path / "vggish.pth")
    with pytest.raises(EncoderError, match=r"needs vggish_pca_params-970ea276.pth beside it") as error:
        load_encoder(str(tmp_path / "vggish.pth"), output="postprocessed")
    assert "pproc.pca_means: expected (16, 1), found nothing" in str(error.value)


@pytest.mark.parametrize("content", ["cut", "empty", "text", "module", "list"])
def test_a_file_that_holds_anything_but_named_tensors_is_refused(content, weights, tmp_path):
    path = tmp_path / "vggish.pth"
    torch.save({"module": vggish(), "list": [torch.zeros(1)]}.get(content, weights), path)
    if content in ("cut", "empty", "text"):
        path.write_bytes({"cut": path.read_bytes()[:-2000], "empty": b"", "text": b"weights"}[content])
    with pytest.raises(EncoderError, match=r"expected named tensors and nothing else.*Download it again") as error:
        load_encoder(str(path))
    assert str(path) in str(error.value)


def test_without_weights_the_error_tells_where_to_get_them(tmp_path):
    with pytest.raises(EncoderError, match=r"Download vggish-10086976.pth from https://github.com/harritaylor/.*pass"):
        load_encoder("vggish")
    with pytest.raises(EncoderError, match=re.escape(f"{tmp_path}/vggish.pth: no such file")):
        load_encoder(f"{tmp_path}/vggish.pth")


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"output": "logits"}, "output is 'logits', expected one of embeddings, frames, postprocessed"),
        ({"hop": 0.0}, "hop is 0.0, expected 0.01 to 0.96 seconds"),
        ({"hop": 0.97}, "hop is 0.97"),
        ({"hop": 0.005}, "hop is 0.005"),
        ({"hop": "half"}, "hop is 'half'"),
        ({"hop": float("nan")}, "hop is nan"),
        ({"hop": 0.48, "output": "frames"}, r"hop is 0.48, but frames are always 0.16 s apart: leave it out"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, found):
    with pytest.raises(EncoderError, match=found):
        vggish(**options)


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_parameter_gets_a_gradient(output):
    encoder = vggish(output=output).train()
    found, mask = encoder(*padded([clip(1), clip(20_000, seed=1), clip(40_000, seed=2)]))
    (found[:, mask] * torch.randn(encoder.dim)).sum().backward()
    for label, parameter in encoder.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        assert parameter.grad.abs().max() > 1e-6, label


@pytest.mark.parametrize("output", OUTPUTS)
def test_frozen_blocks_keep_nothing_for_the_backward_pass(output):
    encoder = vggish(output=output)
    kept = [
        kept_for_backward(move(encoder, range(first, len(encoder.blocks()))))
        for first in range(len(encoder.blocks()) + 1)
    ]
    assert kept == sorted(kept, reverse=True)
    assert len(set(kept)) == len(kept)
    assert kept[-1] == 0
    assert kept[-2] < 0.6 * kept[0]
