"""Whether a model knows the emotions of a corpus."""

from datasets import Dataset

from ser_tl.data import schema
from ser_tl.errors import ConfigError


def check_known(corpus: Dataset, labels: list[str]) -> None:
    """Refuses a corpus with emotions that a model has no label for; a model of dimensions alone takes any.

    Raises:
        ConfigError: some emotions are unknown to the model
    """
    strangers = sorted(set(schema.emotions(corpus)) - set(labels))
    if labels and strangers:
        raise ConfigError(
            f"the model knows {', '.join(labels)}; the corpus also has {', '.join(strangers)}: drop them "
            f"(--emotions.drop '[{', '.join(strangers)}]') or merge them into the model's labels (--emotions.merge)"
        )
