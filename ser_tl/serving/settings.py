"""What a server is set when it starts: models, limits, keys."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ser_tl.errors import ConfigError

KEYS_VARIABLE = "SER_TL_API_KEYS"
"""The environment variable that holds API keys, separated by commas or blanks."""

SHORTEST_KEY = 16
"""Characters: shorter keys can be guessed."""

_POSITIVE = (
    "workers threads upload_mb audio_seconds files concurrency memory_mb timeout read_timeout header_timeout "
    "shutdown_timeout batch_windows streams"
)


@dataclass(frozen=True)
class Settings:
    """Settings of a server. Limits hold for each worker process.

    Args:
        models: folders of saved or exported models, or names on a hub, by the names that they are served under; the
            first answers where a request names none. Empty: the bundled model
        host: the address to listen on
        port: the port; a free one if 0
        workers: processes that share the port, each with its own copy of the models
        threads: that a process computes with in torch; of an export it is always one
        device: where models in torch compute; a GPU if there is one
        upload_mb: the largest body of a request, in MB (10^6 bytes)
        audio_seconds: the longest recording, by its header
        files: the most recordings in one request
        concurrency: requests in progress; more are refused with 429
        memory_mb: bodies and decoded audio held at once; what would exceed it is refused with 429
        timeout: seconds from a whole request to its answer; then 504
        read_timeout: seconds in which a body must arrive; then 408
        header_timeout: seconds in which a request's headers must arrive; then the connection is closed
        shutdown_timeout: seconds that requests in progress have to finish
        batch_windows: the most windows that go through a model together
        streams: live streams at once; more are refused with close code 1013
        voice: what tells speech in live streams: `energy`, `silero`, or silero where onnxruntime is installed if `auto`
        coverage: share of recordings whose emotion is to be in their prediction set; None gives no sets
        cache_answers: answers kept by the hash of the recording; 0 keeps none
        api_keys: one of them must come with a request; none are needed if empty
        cors: origins (`https://example.org`) whose pages may call; none if empty
        require_notice: refuse requests that don't state that the people recorded were informed (`X-Notice-Given: true`)
        page: serve the page at `/`

    Raises:
        ConfigError: a limit isn't positive, or a key is too short
    """

    models: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    threads: int = 1
    device: str | None = None
    upload_mb: float = 25.0
    audio_seconds: float = 600.0
    files: int = 32
    concurrency: int = 128
    memory_mb: float = 1024.0
    timeout: float = 30.0
    read_timeout: float = 30.0
    header_timeout: float = 10.0
    shutdown_timeout: float = 30.0
    batch_windows: int = 8
    streams: int = 16
    voice: Literal["auto", "energy", "silero"] = "auto"
    coverage: float | None = None
    cache_answers: int = 1024
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    cors: tuple[str, ...] = ()
    require_notice: bool = False
    page: bool = True

    def __post_init__(self) -> None:
        for name in _POSITIVE.split():
            if not getattr(self, name) > 0:
                raise ConfigError(f"--{name} is {getattr(self, name)}: expected a number above 0")
        if not 0 <= self.port < 1 << 16:
            raise ConfigError(f"port is {self.port}: expected 0 (any free port) to 65535")
        if self.cache_answers < 0:
            raise ConfigError(f"cache_answers is {self.cache_answers}: expected 0 (none) or more")
        short = [number for number, key in enumerate(self.api_keys, 1) if len(key) < SHORTEST_KEY]
        if short:
            raise ConfigError(
                f"API key {short[0]} of {len(self.api_keys)} is shorter than {SHORTEST_KEY} characters and could be "
                f'guessed: make one with `python -c "import secrets; print(secrets.token_urlsafe(32))"`'
            )
        wild = [origin for origin in self.cors if "*" in origin or not origin.startswith(("http://", "https://"))]
        if wild:
            raise ConfigError(f"cors {wild[0]}: expected whole origins such as https://example.org")

    @property
    def upload_bytes(self) -> int:
        """The largest body, in bytes."""
        return round(self.upload_mb * 1e6)


def read_keys(path: Path | None) -> tuple[str, ...]:
    """The API keys of a file (one a line, `#` begins a comment) and of the environment.

    Args:
        path: the file; none if None

    Raises:
        ConfigError: the file can't be read, or holds no key: a server that was meant to be closed never opens
    """
    all_keys = os.environ.get(KEYS_VARIABLE, "").replace(",", " ").split()
    if path is not None:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"api_keys {path}: can't be read ({error}): name a text file, one key a line") from None
        keys = [line.partition("#")[0].strip() for line in lines]
        if not any(keys):
            raise ConfigError(f"api_keys {path}: holds no key: write one per line, or leave the option out")
        all_keys += filter(None, keys)
    return tuple(dict.fromkeys(all_keys))


def name_models(sources: Iterable[str]) -> dict[str, str]:
    """Models by the names that they are served under.

    Args:
        sources: `NAME=FOLDER`, or a folder or a name on a hub, whose last part is the name: runs/mine/model is `mine`

    Raises:
        ConfigError: two have the same name
    """
    named: dict[str, str] = {}
    for source in sources:
        name, sign, folder = source.partition("=")
        if not sign:
            path = Path(source.rstrip("/"))
            name, folder = (path.parent.name or path.name) if path.name == "model" else path.name, source
        if not name or not folder:
            raise ConfigError(f"model {source!r}: expected a folder, a name on a hub, or NAME=FOLDER")
        if name in named:
            raise ConfigError(f"two models are called {name}: tell them apart, NAME=FOLDER")
        named[name] = folder
    return named
