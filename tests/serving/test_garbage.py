"""Uploads that are damaged in every way: refused with a reason or answered, never a crash."""

import http.client
import os

import numpy as np
import pytest

from tests.serving.running import Running, encode, tone

COUNT = int(os.environ.get("SER_TL_MUTATIONS", "160"))
KINDS = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": None, "AIFF": "PCM_16"}


def mutate(content, draws):
    """A file with bytes changed, cut out, doubled or put in; mostly in its header, where they matter."""
    found = bytearray(content)
    for _ in range(draws.integers(1, 6)):
        place = int(draws.integers(0, min(len(found), 128) if draws.random() < 0.7 else len(found)))
        length = int(draws.integers(1, 64))
        match draws.integers(0, 4):
            case 0:
                found[place] = draws.integers(0, 256)
            case 1:
                del found[place : place + length]
            case 2:
                found[place:place] = found[place : place + length]
            case 3:
                found[place : place + length] = draws.bytes(length)
        if len(found) < 2:
            break
    return bytes(found)


@pytest.mark.slow
def test_damaged_uploads_are_answered_or_refused_and_the_server_lives():
    draws = np.random.default_rng(0)
    clips = [encode(tone(0.5), kind=kind, subtype=subtype) for kind, subtype in KINDS.items()]
    statuses = []
    with Running(cache_answers=0, memory_mb=50) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for number in range(COUNT):
            connection.request("POST", "/v1/predict", mutate(clips[number % len(clips)], draws))
            answer = connection.getresponse()
            body = answer.read()
            statuses.append(answer.status)
            assert answer.status in (200, 413, 422), body
            if answer.status != 200:
                assert b"Traceback" not in body
        connection.close()
        assert server.service.admission.reserved == 0
        assert server.post(clips[0]).status == 200
    assert statuses.count(422) > COUNT / 4
    assert statuses.count(200) > 0


@pytest.mark.parametrize("size", [1, 3, 12, 43, 100, 5000])
def test_noise_is_no_recording(size):
    with Running() as server:
        for seed in range(4):
            assert server.post(np.random.default_rng(seed).bytes(size)).status == 422
