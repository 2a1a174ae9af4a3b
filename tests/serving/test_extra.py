"""The extra `serve`: what the tests beside this one need, and what a command says without it."""

import sys

import pytest

from ser_tl.cli import main


def test_the_extra_is_installed():
    pytest.importorskip("fastapi", reason='tests/serving needs pip install -e ".[serve]"')
    pytest.importorskip("uvicorn", reason='tests/serving needs pip install -e ".[serve]"')


@pytest.mark.slow
def test_without_the_extra_the_command_says_what_to_install(monkeypatch, capsys):
    for name in ("fastapi", "celery"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["serve", "--port", "0"]) == 1
    assert 'fastapi: pip install "ser_tl[serve]"' in capsys.readouterr().err
    assert main(["worker", "--broker", "redis://127.0.0.1:1/0"]) == 1
    assert 'pip install "ser_tl[queue]"' in capsys.readouterr().err
