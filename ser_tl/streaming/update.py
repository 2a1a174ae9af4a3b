"""What a stream says, and when."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Update:
    """Something that a stream has to say at a time.

    Args:
        time: seconds of the stream at which it is said; `start` and `end` are in the same clock
        kind: `partial` at each hop; `final` when a turn has ended; `gap` where samples were lost
        start: where the window that was answered begins; of a gap, the first lost second
        end: where it ends
        label: the likeliest emotion; empty where there is no speech, while a turn is shorter than the shortest window,
            and from a model of dimensions alone
        probabilities: by emotion, adding up to 1, smoothed as asked; empty likewise
        dimensions: arousal, valence or dominance by name, not smoothed
        speech: whether somebody speaks
        reason: why samples were lost
    """

    time: float
    kind: Literal["partial", "final", "gap"]
    start: float
    end: float
    label: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    dimensions: dict[str, float] = field(default_factory=dict)
    speech: bool = True
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Everything that is there, as JSON has it; times in milliseconds' precision."""
        plain: dict[str, Any] = {"time": round(self.time, 3), "kind": self.kind}
        plain |= {"start": round(self.start, 3), "end": round(self.end, 3)}
        if self.kind == "gap":
            return plain | {"reason": self.reason}
        plain |= {"speech": self.speech, "label": self.label, "probabilities": self.probabilities}
        return plain | ({"dimensions": self.dimensions} if self.dimensions else {})
