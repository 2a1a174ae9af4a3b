"""Progress bars: on a terminal or in a notebook, one at a time, and gone when they are done.

What is printed below them stays as it would be without them; logs and pipes get none.
"""

import sys
from collections.abc import Iterable
from typing import Any

from ser_tl.terminal import is_quiet


def progress_bar(
    work: Iterable[Any] | None = None,
    description: str = "",
    *,
    shown: bool = True,
    unit: str = "clip",
    **options: Any,  # noqa: ANN401 - tqdm's
) -> Any:  # noqa: ANN401 - tqdm's
    """A bar on standard error with the time that is left.

    Args:
        work: what is iterated over; None for a bar that is updated
        description: what stands before it
        shown: False shows none. Nor is one shown in a quiet program, or where standard error isn't a terminal
        unit: what is counted
        options: tqdm's: total, initial, delay
    """
    from tqdm.auto import tqdm

    hidden = not shown or is_quiet() or not _is_watched()
    return tqdm(work, description, disable=hidden, unit=unit, leave=False, **options)


def _is_watched() -> bool:
    """Whether standard error is a terminal, or this is a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def write_line(text: str) -> None:
    """Prints a line on standard output, above a bar that is being shown.

    Args:
        text: of one line
    """
    from tqdm.auto import tqdm

    tqdm.write(text)
