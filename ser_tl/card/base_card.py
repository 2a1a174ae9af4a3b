"""What the card of a changed model keeps from the card of the model that it was made of.

    README.md --BaseCard.read--> purpose, data, languages, terms --write_card(base=...)--> the changed model's README.md

An adapted, compressed or recalibrated model learned from the same recordings, and their terms hold for it as well. The
scores aren't kept: they are of the model as it was.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

RESTRICTED = "non-commercial"
"""The tag of a card, and its `license_name`, where something that went in forbids commerce."""

_WARNING = "> **Not for commercial use**"


class BaseCard(NamedTuple):
    """The lasting parts of a card.

    Attributes:
        purpose: what the model is for, as its makers state it; empty where they don't
        data: the section on the training data, in Markdown; empty where there is none
        languages: ISO 639-1 codes
        warning: the line that forbids commerce; empty where nothing does
    """

    purpose: str
    data: str
    languages: list[str]
    warning: str

    @classmethod
    def read(cls, folder: Path | None) -> Self | None:
        """That of a model's folder; None where no card lies in it."""
        path = None if folder is None else folder / "README.md"
        if path is None or not path.is_file():
            return None
        head, body = _split(path.read_text(encoding="utf-8", errors="replace"))
        sections = re.split(r"^## +", body, flags=re.MULTILINE)
        content = {title.strip(): text.strip() for title, _, text in (part.partition("\n") for part in sections[1:])}
        purpose, data = (content.get(title, "") for title in ("Intended purpose", "Data"))
        language = head.get("language") or []
        warning = next((line for line in body.splitlines() if line.startswith(_WARNING)), "")
        if not warning and RESTRICTED in (head.get("license_name"), *(head.get("tags") or [])):
            warning = f"{_WARNING}: the model that it was made of isn't."
        return cls(
            purpose="" if purpose.startswith("**Not stated.**") else purpose,
            data="" if "wasn't recorded" in data else data,
            languages=[language] if isinstance(language, str) else [str(code) for code in language],
            warning=warning,
        )


def _split(text: str) -> tuple[dict[str, Any], str]:
    """The head of a card, empty where it has none that can be read, and the text below it."""
    match = re.match(r"---\r?\n(.*?)\r?\n---\r?\n(.*)", text, flags=re.DOTALL)
    if match is None:
        return {}, text
    try:
        head = yaml.safe_load(match[1])
    except yaml.YAMLError:
        head = None
    return head if isinstance(head, dict) else {}, match[2]
