"""Another environment, in which a converter lives that can't live beside this torch.

    run_script(python, "tflite_convert.py", program, output)    a script of `export/scripts`, run by that environment

Scripts know nothing of ser_tl: they read a program of torch.export, which goes across versions of torch.
"""

import os
import subprocess
from pathlib import Path

from ser_tl.errors import ConfigError, ExportError

SCRIPTS = Path(__file__).with_name("scripts")

_LINES = 12  # of a converter's error that are worth showing


def find_python(python: str | Path | None) -> Path:
    """The interpreter of an environment.

    Args:
        python: the interpreter, or the environment's folder

    Raises:
        ConfigError: there is none
    """
    if python is None:
        raise ConfigError(
            "this format's converter needs an environment of its own, beside another torch: make one (python -m venv "
            "VENV; VENV/bin/pip install litert-torch ai-edge-quantizer) and name it (`python`)"
        )
    path = Path(python)
    inside = [path / "bin" / "python", path / "Scripts" / "python.exe"] if path.is_dir() else [path]
    interpreter = next((file for file in inside if file.is_file()), None)
    if interpreter is None:
        raise ConfigError(f"python {python}: no interpreter there: name an environment's folder or its bin/python")
    return interpreter.absolute()  # not resolved: a link's target is the system's interpreter, without the packages


def environment_variables() -> dict[str, str]:
    """This process' variables without those that would lead another interpreter to packages of this one."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def run_script(python: Path, script: str, *arguments: str | Path) -> None:
    """Runs a script of ours in another environment.

    Args:
        python: its interpreter
        script: name of a file in `export/scripts`
        arguments: of the script

    Raises:
        ExportError: it fails; with the last lines that it wrote
    """
    command = [str(python), "-I", str(SCRIPTS / script), *map(str, arguments)]
    done = subprocess.run(  # noqa: S603 - our script, in the interpreter that the user names
        command, capture_output=True, text=True, check=False, env=environment_variables()
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_LINES:]
        raise ExportError(f"{script} failed in {python}:\n" + "\n".join(lines))
