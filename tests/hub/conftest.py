"""huggingface_hub's own client, told to talk to a hub on this machine and to keep its cache in the test's folder."""

import pytest
from huggingface_hub import constants

from tests.hub.server import TOKEN, Hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A running hub and a logged-in client. The values are read when a call is made, so that setting them works."""
    with Hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no_token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running
