"""The restricted unpickler: it reads arrays as numpy does, and whatever else a pickle asks for is refused unrun."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from ser_tl.encoders.numpy_pickle import read_arrays
from ser_tl.errors import EncoderError

from .tiny import SOUND8

HEADER = b"\x93NUMPY\x01\x00" + (70).to_bytes(2, "little")
HEADER += b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(69) + b"\n"
LAYERS = {
    "conv1": {"weights": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "biases": np.ones(3, ">f8")},
    "conv2": {"weights": np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)), "var": np.zeros(0, np.float16)},
}
FILE_OF_ARRAYS = "this file can't be read .*Expected a .npy file with a pickled dict of dicts of arrays"


class Asks:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def save(path, layers):
    np.save(path, np.array(layers, dtype=object), allow_pickle=True)
    return path


def saved_by_python_2(path):
    """What Python 2 wrote: names of numpy's older modules, and bytes as str."""
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    kind = b"cnumpy\ndtype\nU\x02%sK\x00K\x01\x87R(K\x03U\x01%sNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK%stb"
    content = np.array([1.5, -2.0], "<f4").tobytes()
    array = empty + b"(K\x01K\x02\x85" + kind % (b"f4", b"<", b"\x00") + b"\x89U\x08" + content + b"tb"
    layers = b"}U\x05conv1}U\x06biases" + array + b"ss"
    path.write_bytes(
        HEADER + b"\x80\x02" + empty + b"(K\x01)" + kind % (b"O8", b"|", b"\x3f") + b"\x89]" + layers + b"atb."
    )
    return path


def test_arrays_come_back_as_they_were_saved(tmp_path):
    layers = read_arrays(save(tmp_path / "a.npy", LAYERS))
    assert {layer: list(arrays) for layer, arrays in layers.items()} == {
        layer: list(arrays) for layer, arrays in LAYERS.items()
    }
    for layer, arrays in LAYERS.items():
        for name, array in arrays.items():
            assert layers[layer][name].dtype == array.dtype.newbyteorder("=")
            assert layers[layer][name].flags.writeable
            np.testing.assert_array_equal(layers[layer][name], array)


def test_what_python_2_saved_is_read(tmp_path):
    path = saved_by_python_2(tmp_path / "old.npy")
    expected = np.load(path, allow_pickle=True, encoding="latin1").item()["conv1"]["biases"]
    np.testing.assert_array_equal(read_arrays(path)["conv1"]["biases"], expected)
    assert expected.tolist() == [1.5, -2.0]


def test_the_published_weights_are_what_numpy_reads():
    if not SOUND8.is_file():
        pytest.skip(f"needs {SOUND8}: SoundNet-8's published weights, not beside this checkout")
    layers, expected = read_arrays(SOUND8), np.load(SOUND8, allow_pickle=True, encoding="latin1").item()
    assert layers.keys() == expected.keys()
    for layer, arrays in expected.items():
        assert layers[layer].keys() == arrays.keys()
        assert all(np.array_equal(layers[layer][name], array) for name, array in arrays.items())


@pytest.mark.parametrize("depth", ["in place of the dict", "in place of an array", "beside arrays"])
@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch ran",), "(posix|nt).system"),
        (subprocess.Popen, (["touch", "ran"],), "subprocess.Popen"),
        (eval, ("open('ran', 'w')",), "builtins.eval"),
        (getattr, ("text", "join"), "builtins.getattr"),
        (np.load, ("ran.npy", None, True), "numpy.load"),
        (np.memmap, ("ran", "u1", "w+", 0, (8,)), "numpy.memmap"),
        (np.frombuffer, (b"1234", "u1"), "numpy.frombuffer"),
        (set, ([1],), "builtins.set"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_pickle_that_asks_for_a_function_is_refused_and_the_function_not_called(
    function, arguments, name, depth, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    layer = {"weights": Asks(function, *arguments)} if depth == "in place of an array" else LAYERS["conv1"]
    layers = {"conv1": layer, "conv2": Asks(function, *arguments)} if depth == "beside arrays" else {"conv1": layer}
    path = save(tmp_path / "bad.npy", Asks(function, *arguments) if depth == "in place of the dict" else layers)
    with pytest.raises(EncoderError, match=rf"it asks for {name}, which is no part of an array"):
        read_arrays(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.npy"]


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'touch ran'\ntR.",
        b"(S'touch ran'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch ran'\no.",
        b"\x80\x04\x8c\x05numpy\x8c\x0cdtype.__call__\x93.",
        b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.tofile\x93.",
        b"\x80\x04\x8c\x15numpy._core.multiarray\x8c\x06scalar\x93.",
        b"cantigravity\nfly\n.",
        b"Pany persistent name\n.",
        b"\x80\x02\x82\x01.",
        b"cnumpy\ndtype\n(S'V8'\ntR.",
        b"cnumpy\ndtype\n(S'O8'\ntR(K\x03S'='\ntb.",
        b"cnumpy\nndarray\n}S'__setstate__'\nNsb.",
        b"cnumpy\nndarray\n.",
        b"cnumpy\nndarray\n)R(K\x01)cnumpy\ndtype\n(S'O8'\ntR\x89]tb.",
        b"cnumpy\nndarray\n)R(K\x01)Nn\x89]tb.",
        b"N.",
        b".",
        b"",
        b"(" * 5000,
        b"]" + b"]a" * 5,
    ],
    ids=lambda program: repr(program[:40])[2:-1],
)
def test_programs_that_no_array_needs_are_refused(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.npy").write_bytes(HEADER + program)
    with pytest.raises(EncoderError, match=FILE_OF_ARRAYS):
        read_arrays(tmp_path / "bad.npy")
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.npy"]
    assert "antigravity" not in sys.modules
    assert read_arrays(save(tmp_path / "good.npy", LAYERS))["conv1"]["biases"].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "layers",
    [
        [1, 2],
        LAYERS["conv1"],
        {"conv1": {"weights": 3.0}},
        {"conv1": {"weights": "text"}},
        {"conv1": {"weights": {"deeper": np.ones(2)}}},
        {"conv1": {"weights": np.array(["text"])}},
        {"conv1": {"weights": np.array([1, "text"], dtype=object)}},
        {"conv1": {"weights": np.array({"any": "object"}, dtype=object)}},
        {"conv1": {"weights": np.zeros(2, [("a", "f4"), ("b", "O")])}},
        {"conv1": {"weights": np.zeros(2, "M8[s]")}},
        {"conv1": {"weights": np.float32(2.0)}},
    ],
    ids=str,
)
def test_what_is_no_dict_of_dicts_of_numbers_is_refused(layers, tmp_path):
    with pytest.raises(EncoderError, match=FILE_OF_ARRAYS):
        read_arrays(save(tmp_path / "other.npy", layers))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused(share, tmp_path):
    path = save(tmp_path / "cut.npy", LAYERS)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(EncoderError, match=FILE_OF_ARRAYS):
        read_arrays(path)


@pytest.mark.slow
def test_damage_anywhere_gives_arrays_of_numbers_or_an_error_that_names_the_file(tmp_path):
    whole, random = save(tmp_path / "a.npy", LAYERS).read_bytes(), np.random.default_rng(0)
    refused: list[str] = []
    for _ in range(300):
        damaged = bytearray(whole)
        for place in random.integers(len(whole), size=2):
            damaged[place] = random.integers(256)
        (tmp_path / "a.npy").write_bytes(damaged)
        try:
            layers = read_arrays(tmp_path / "a.npy")
        except EncoderError as error:
            refused.append(str(error))
        else:
            assert {array.dtype.kind for arrays in layers.values() for array in arrays.values()} <= set("fiu")
    assert 50 < len(refused) < 300
    assert all("a.npy: this file can't be read" in message for message in refused)


@pytest.mark.parametrize("content", [b"\x80\x04N.", b"PK\x03\x04", b"not weights", pickle.dumps(LAYERS)], ids=str)
def test_another_kind_of_file_is_refused(content, tmp_path):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(EncoderError, match=FILE_OF_ARRAYS):
        read_arrays(tmp_path / "a.npy")


def test_a_plain_array_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(EncoderError, match=r"an array of float64 with shape \(3,\), not one pickled object"):
        read_arrays(tmp_path / "a.npy")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EncoderError, match=r"nowhere\.npy: no such file"):
        read_arrays(tmp_path / "nowhere.npy")
