"""What an evaluation does and says where model and corpus don't have the same emotions.

    test --select_known--> utterances of the model's emotions, notes      describe_restriction, describe_absent -> notes

`ser_tl.evaluation.shared_labels` does the arithmetic on predictions.
"""

from collections import Counter
from collections.abc import Sequence

from datasets import Dataset

from ser_tl.errors import ConfigError


def select_known(test: Dataset, labels: Sequence[str]) -> tuple[Dataset, list[str]]:
    """The utterances of emotions that a model has, and a note on the others.

    Raises:
        ConfigError: fewer than two emotions are shared
    """
    counts = Counter(test["emotion"][:])
    shared = sorted(set(counts) & set(labels))
    if len(shared) < 2:
        raise ConfigError(
            f"labels.classes is shared, and the model ({', '.join(labels) or 'dimensions alone'}) shares {len(shared)} "
            f"emotions with the corpus ({', '.join(sorted(counts))}), two or more are needed: emotions.rename and "
            f"emotions.merge bring names together"
        )
    unknown = {emotion: count for emotion, count in sorted(counts.items()) if emotion not in shared}
    if not unknown:
        return test, []
    named = ", ".join(f"{emotion} ({count})" for emotion, count in unknown.items())
    rows = [row for row, emotion in enumerate(test["emotion"][:]) if emotion in shared]
    return test.select(rows), [f"Utterances of emotions that the model doesn't have are left out: {named}."]


def describe_restriction(answered: Sequence[str], labels: Sequence[str]) -> str:
    """The note of a report whose answers are restricted.

    Args:
        answered: the emotions that may be answered
        labels: the model's
    """
    closed = [label for label in labels if label not in answered]
    without = f", and not among its {', '.join(closed)}" if closed else ", which are all of its own"
    return (
        f"Answers among the {len(answered)} emotions that model and corpus share{without}: what the model gives "
        f"where only these occur. Don't compare with scores of all its emotions."
    )


def describe_absent(absent: Sequence[str], share: float) -> list[str]:
    """The note of a report with answers that no test utterance has; none where there are no such emotions."""
    if not absent:
        return []
    return [
        f"{100 * share:.1f} % of the answers are emotions that this corpus doesn't have ({', '.join(absent)}), and "
        f"count as errors; the option labels shared restricts the answers to the shared ones."
    ]
