"""A model behind HTTP: requests in, answers out, within limits.

    uploads -> decoding -> batcher (queued windows go together) -> inference.Session -> answers
    server -> worker processes on one port -> app -> service

Built on `inference`, independent of torch: an exported model is served without it. Needs the extra `serve`
(`pip install "ser_tl[serve]"`).
"""

from ser_tl.serving.settings import Settings as Settings
