"""transformers' audio models without torchaudio where it can't be loaded. Imported before all that imports them.

transformers asks whether torchaudio is installed, not whether it loads, and then imports it at the top of modules that
every speech model needs for nothing else: a torchaudio that doesn't fit torch would end the import of wav2vec 2.0. None
in `sys.modules` is Python's way to say that a module can't be had, which every such question finds.
"""

import sys

from transformers.utils import import_utils

from ser_tl.dependencies import torchaudio_failure


def skip_broken_torchaudio() -> bool:
    """Lets transformers and others look for torchaudio in vain where it can't be loaded.

    Returns:
        Whether it can't be loaded.
    """
    if torchaudio_failure() is None:
        return False
    sys.modules["torchaudio"] = None  # ty: ignore[invalid-assignment]
    forget = getattr(import_utils.is_torchaudio_available, "cache_clear", None)
    if forget is not None:  # `import transformers` has asked already
        forget()
    return True


skip_broken_torchaudio()
