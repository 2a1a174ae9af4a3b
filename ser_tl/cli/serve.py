"""`ser-tl serve`: a model behind HTTP."""

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ser_tl.errors import ConfigError

_NEEDED = ("fastapi", "uvicorn", "httptools", "python_multipart", "prometheus_client")


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments, in argparse's own terms: jsonargparse's parser is one."""
    parser.add_argument(
        "models",
        type=str,
        nargs="*",
        help="folders of saved models (runs/NAME/model) or exported ones, names on a hub, or NAME=FOLDER; the first is "
        "the default. Without any the bundled demonstration model is served",
    )
    parser.add_argument("--host", type=str, default="127.0.0.1", help="address to listen on; 0.0.0.0 is all addresses")
    parser.add_argument("--port", type=int, default=8000, help="port; 0 chooses a free one and logs it")
    parser.add_argument("--workers", type=int, default=1, help="number of processes on the port; use one per core")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads per process in torch; an exported model uses one"
    )
    parser.add_argument(
        "--device", type=str, default=None, help="device for models in torch; by default a GPU if there is one"
    )
    parser.add_argument("--upload_mb", type=float, default=25.0, help="largest request in MB")
    parser.add_argument("--audio_seconds", type=float, default=600.0, help="longest recording in seconds")
    parser.add_argument("--files", type=int, default=32, help="most recordings per request")
    parser.add_argument(
        "--concurrency", type=int, default=128, help="most concurrent requests per process; beyond it 429"
    )
    parser.add_argument(
        "--memory_mb", type=float, default=1024.0, help="memory for uploads and audio per process, in MB; beyond it 429"
    )
    parser.add_argument(
        "--timeout", type=float, default=30.0, help="longest time to an answer in seconds; beyond it 504"
    )
    parser.add_argument(
        "--read_timeout",
        type=float,
        default=30.0,
        help="longest time for a request to arrive in seconds; beyond it 408",
    )
    parser.add_argument(
        "--header_timeout", type=float, default=10.0, help="longest time for headers to arrive in seconds"
    )
    parser.add_argument(
        "--shutdown_timeout",
        type=float,
        default=30.0,
        help="longest time to finish accepted requests when ending, in seconds",
    )
    parser.add_argument("--batch_windows", type=int, default=8, help="largest batch, in windows")
    parser.add_argument("--cache_answers", type=int, default=1024, help="number of cached answers; 0 caches none")
    parser.add_argument("--streams", type=int, default=16, help="most concurrent live streams per process")
    parser.add_argument(
        "--coverage",
        type=float,
        default=None,
        help="also answer with the set of emotions that has the right one with this probability, e.g. 0.9",
    )
    voices = ["auto", "energy", "silero"]
    parser.add_argument("--voice", choices=voices, default="auto", help="voice activity detection of live streams")
    parser.add_argument(
        "--api_keys", type=Path, default=None, help="file of API keys, one per line; besides those in $SER_TL_API_KEYS"
    )
    parser.add_argument(
        "--cors", type=str, nargs="*", default=[], help="origins whose web pages may send requests; none by default"
    )
    parser.add_argument(
        "--require_notice",
        action="store_true",
        help="refuse requests without `X-Notice-Given: true`, which states that the people recorded were informed",
    )
    parser.add_argument("--no_page", action="store_true", help="don't serve the page at /")


def serve(options: Any) -> int:  # noqa: ANN401 - argparse's or jsonargparse's
    """Serves until a signal ends it."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f'serving needs {", ".join(missing)}: pip install "ser_tl[serve]"')
    from ser_tl.serving.server import serve as run_server
    from ser_tl.serving.settings import Settings, name_models, read_keys

    same = (
        "host port workers threads device upload_mb audio_seconds files concurrency memory_mb timeout read_timeout "
        "header_timeout shutdown_timeout batch_windows coverage cache_answers streams voice require_notice"
    )
    settings = Settings(
        models=name_models(options.models),
        api_keys=read_keys(options.api_keys),
        cors=tuple(options.cors),
        page=not options.no_page,
        **{name: getattr(options, name) for name in same.split()},
    )
    run_server(settings)
    return 0
