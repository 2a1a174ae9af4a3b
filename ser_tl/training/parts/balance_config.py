"""The options of class balance and of synthetic clips, checked where they enter."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ser_tl.data.corpus_balance import CorpusBalance
from ser_tl.errors import ConfigError


@dataclass(frozen=True)
class BalanceConfig:
    """How class imbalance is treated, in training alone.

    Args:
        weights: of an utterance by its class: `inverse` to the class' frequency, so that each class has the same total
            weight; `effective`, by its effective number of utterances (Cui et al. 2019), between that and `none`
        beta: of `effective`: 0 weighs all alike, values near 1 are near `inverse`
        alpha: class to a factor of its weight, {fear: 2}; classes that aren't named have 1
        focal: gamma of the focal loss (Lin et al. 2017), which down-weights well-classified examples; 0 is
            cross-entropy. Its alpha are the weights
        logit_adjustment: tau, the factor of the log class frequencies that are added to the logits in training (Menon
            et al. 2021); 1 in theory, 0 for none. It replaces weights, sampling and synthetic clips
        sampling: of an epoch's clips: `over` repeats clips until every class is as large as the largest, `under` draws
            as many of every class as the smallest has
        synthesise: interpolate between neighbours of a smaller class until it is as large as the largest: `smote`
            (Chawla et al. 2002), `borderline-smote` near other classes only (Han et al. 2005), `adasyn` more of them
            there (He et al. 2008). For frozen encoders whose pooled states are the model's only input, see
            docs/imbalance.md
        neighbours: number of nearest clips of the class to interpolate with; fewer where a class has fewer
        corpora: of several corpora, how each has the same say within each class: by `weights` of its utterances, or by
            `sampling` as many of each in an epoch; a refitted classifier weighs them alike with either
    """

    weights: Literal["none", "inverse", "effective"] = "inverse"
    beta: float = 0.999
    alpha: dict[str, float] = field(default_factory=dict)
    focal: float = 0.0
    logit_adjustment: float = 0.0
    sampling: Literal["none", "over", "under"] = "none"
    synthesise: Literal["none", "smote", "borderline-smote", "adasyn"] = "none"
    neighbours: int = 5
    corpora: CorpusBalance = "none"

    @property
    def changed(self) -> dict[str, Any]:
        """The options that aren't the default, and their values."""
        defaults = asdict(type(self)())
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    def __post_init__(self) -> None:
        if not 0 <= self.beta < 1:
            raise ConfigError(f"balance.beta is {self.beta}: expected 0 to below 1; weights inverse are its limit")
        for name in ("focal", "logit_adjustment"):
            if getattr(self, name) < 0:
                raise ConfigError(f"balance.{name} is {getattr(self, name)}: expected 0 or more")
        if self.neighbours < 1:
            raise ConfigError(f"balance.neighbours is {self.neighbours}: expected 1 or more")
        wrong = [f"{name}: {factor}" for name, factor in self.alpha.items() if not factor > 0]
        if wrong:
            raise ConfigError(f"balance.alpha has {', '.join(wrong)}: expected factors above 0")
        if self.sampling != "none" and self.synthesise != "none":
            raise ConfigError(
                f"balance.sampling {self.sampling} and balance.synthesise {self.synthesise} both make classes as large "
                f"as each other: choose one"
            )
        if self.corpora != "none" and self.synthesise != "none":
            raise ConfigError(
                f"balance.corpora is {self.corpora}, and a clip between clips of two corpora (balance.synthesise "
                f"{self.synthesise}) is of neither: choose one"
            )
        asked = {"sampling": self.sampling, "synthesise": self.synthesise, "weights": self.weights}
        others = [f"balance.{name} {value}" for name, value in asked.items() if value != "none"]
        if self.logit_adjustment and others:
            raise ConfigError(
                f"balance.logit_adjustment is {self.logit_adjustment}, and {' and '.join(others)} would make up for "
                f"the same frequencies once more: choose one (balance.weights none for the adjustment alone)"
            )
