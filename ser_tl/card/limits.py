"""What a model is for, and what it must not be used for: the part of a card that holds for every model of this kind."""

from ser_tl.card.context import CardContext
from ser_tl.reporting.text import percent

_MEANT = """## Intended use

Research on speech and emotion, and applications whose users know of it and agreed to it, on recordings like those it
was trained on. Check it on your own speakers first; a probability is a resemblance to the training recordings."""

_LIMITS = """## Limits, misuse and bias

- **It doesn't read minds.** It guesses which acted or annotated category a voice resembles. What people feel and what
  their voice shows differ between persons, situations and cultures (Barrett et al. 2019, Emotional Expressions
  Reconsidered).
- **It should decide nothing about a person**: not in hiring, at work, at school, in policing or at borders, in credit
  or insurance, and not as a diagnosis or a lie detector. The European Union forbids inferring emotions at work and in
  education, but for medical or safety reasons (Regulation 2024/1689, article 5.1 f).
- **Never without consent**: listening to people's emotions unknown to them is surveillance.
- **It isn't equally good for everyone.** Scores differ with language, accent, age, gender, health and microphone, and
  all the more for groups whom the training corpora hardly have.
- **Acted speech is clearer than real speech**, on which scores are lower as a rule."""


def limits(context: CardContext) -> str:
    """The text, with what this model's own evaluation says about it."""
    lines = []
    if context.languages:
        lines.append(f"- It was trained on {', '.join(context.languages)} only; other languages are untested.")
    if context.report is not None and context.report.scores:
        scores = sorted(speaker_scores["uar"] for speaker_scores in context.report.per_speaker.values())
        if len(scores) > 1:
            lines.append(
                f"- Between the {len(scores)} speakers tested its UAR ranges from {percent(scores[0])} to "
                f"{percent(scores[-1])} %."
            )
    return "\n".join([_MEANT, "", _LIMITS, *lines])
