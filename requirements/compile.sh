#!/usr/bin/env bash
# Writes the locks from pyproject.toml's ranges: exact versions with hashes, for Python 3.11 to 3.14 and every system.
# Locked versions stay unless --upgrade (or --upgrade-package NAME) is given. Needs uv (pip install uv).
set -euo pipefail
cd "$(dirname "$0")/.."

lock() { # the lock's name, what is locked, the options
  uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "bash requirements/compile.sh" \
    -o "requirements/$1.txt" "${@:2}"
}
compile() { # the lock's name, the options
  lock "$1" -c requirements/tested.in pyproject.toml requirements/build.in "${@:2}"
}
compile default "$@"
compile dev --extra dev -c requirements/default.txt "$@"

# Beside a torch of another build (for CPU, for another CUDA): all but torch and what comes with it.
mapfile -t torchs < <(grep -oE '^(torch|torchaudio|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==' requirements/default.txt | tr -d '=')
compile without-torch -c requirements/default.txt "${torchs[@]/#/--no-emit-package=}" "$@"

# For predicting with exported models, without torch.
lock runtime -c requirements/dev.txt requirements/runtime.in "$@"
