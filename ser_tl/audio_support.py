"""transformers' audio models without torchaudio where it can't be loaded. Imported first by each room that needs it.

transformers asks whether torchaudio is installed, not whether it loads, and then imports it at the top of modules that
every speech model, peft and evaluate need for nothing else: a torchaudio that doesn't fit torch would end them all.
None in `sys.modules` is Python's way to say that a module can't be had, which every such question finds.
"""

import sys

from ser_tl.dependencies import torchaudio_failure


def skip_broken_torchaudio() -> bool:
    """Lets transformers and others look for torchaudio in vain where it can't be loaded.

    Returns:
        Whether it can't be loaded.
    """
    if torchaudio_failure() is None:
        return False
    sys.modules["torchaudio"] = None  # ty: ignore[invalid-assignment]
    asked = sys.modules.get("transformers.utils.import_utils")  # `import transformers` asks, and keeps the answer
    forget = getattr(getattr(asked, "is_torchaudio_available", None), "cache_clear", None)
    if forget is not None:
        forget()
    return True


skip_broken_torchaudio()
