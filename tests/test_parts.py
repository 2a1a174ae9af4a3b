"""`pytest --part 2/5`: parts of the tests that together are all."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import is_in_part, parse_part

ROOT = Path(__file__).parents[1]
COUNT = 5
NODE_IDS = [f"tests/test_{name}.py::test_case[{size}-{seed}]" for name in "abc" for size in range(20) for seed in "é0"]


@pytest.fixture(scope="module")
def collect():
    def run(*arguments):
        """What pytest collects of one file, and how it ends."""
        command = [sys.executable, "-m", "pytest", "-n", "0", "--collect-only", "-q", "tests/test_parts.py", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        return set(re.findall(r"^tests/.*::.*$", done.stdout, re.MULTILINE)), done

    return run


def test_parts_are_disjoint_and_together_all():
    parts = [{name for name in NODE_IDS if is_in_part(name, (number, COUNT))} for number in range(1, COUNT + 1)]
    assert set().union(*parts) == set(NODE_IDS)
    assert sum(map(len, parts)) == len(NODE_IDS)
    assert min(map(len, parts)) > len(NODE_IDS) / COUNT / 2


@pytest.mark.slow
def test_pytest_runs_the_part_it_is_asked_for(collect):
    everything, _ = collect()
    assert len(everything) > COUNT
    parts = [collect("--part", f"{number}/2")[0] for number in (1, 2)]
    assert parts == [{name for name in everything if is_in_part(name, (number, 2))} for number in (1, 2)]
    assert all(parts)


@pytest.mark.parametrize(("text", "part"), [("1/1", (1, 1)), ("2/5", (2, 5)), ("12/12", (12, 12))])
def test_a_part_is_a_number_of_how_many(text, part):
    assert parse_part(text) == part


@pytest.mark.parametrize("text", ["", "2", "2/", "/5", "0/5", "6/5", "-1/5", "a/b", "1.5/5", "2/5/7", "²/5", "1/0"])
def test_what_is_no_part_is_refused(text):
    message = re.escape(f"{text!r} is no part: give a number from 1 and of how many, such as 2/5")
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        parse_part(text)


@pytest.mark.slow
def test_pytest_refuses_what_is_no_part(collect):
    collected, done = collect("--part", "6/5")
    assert not collected
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "'6/5' is no part: give a number from 1 and of how many, such as 2/5" in done.stderr
