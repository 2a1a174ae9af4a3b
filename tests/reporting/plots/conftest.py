"""What the tests of pictures share."""

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were written, for looking into."""
    figures = []
    write = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kw: (figures.append(self), write(self, *args, **kw)))
    return figures
