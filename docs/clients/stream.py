"""Sends a recording to a live stream as if it were spoken now, and prints what comes back.

python stream.py ws://127.0.0.1:8000 clip.wav      (pip install websockets soundfile; a key in $SER_TL_KEY)
"""

import json
import os
import sys
import threading
import time

import soundfile
from websockets.sync.client import connect


def send(socket, samples, rate):
    """Sends a tenth of a second every tenth of a second, then asks for the end."""
    step = rate // 10
    for start in range(0, len(samples), step):
        socket.send(samples[start : start + step].tobytes())
        time.sleep(0.1)
    socket.send(json.dumps({"type": "close"}))


samples, rate = soundfile.read(sys.argv[2], dtype="int16", always_2d=True)
headers = {"Authorization": f"Bearer {os.environ.get('SER_TL_KEY', '')}", "X-Notice-Given": "true"}
with connect(f"{sys.argv[1]}/v1/stream?sample_rate={rate}&encoding=pcm_s16le", additional_headers=headers) as socket:
    threading.Thread(target=send, args=(socket, samples[:, 0].copy(), rate), daemon=True).start()
    for text in socket:  # until the server has answered everything
        update = json.loads(text)
        if update["type"] in ("partial", "final", "error"):
            print(update["type"], update.get("end", ""), update.get("label", update.get("error", "")), flush=True)
