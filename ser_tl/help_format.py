"""The text of `--help`: types in plain words, and no type where choices are shown already.

--output OUTPUT   folder (type: <class 'Path'>, default: null)   ->   folder (a path, default: null)
"""

import re
from argparse import Action

from jsonargparse import DefaultHelpFormatter

_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "path": "a path",
    "any": "anything",
    "null": "null",
}


class HelpFormatter(DefaultHelpFormatter):
    """jsonargparse's formatter with types for readers."""

    def _get_type_str(self, action: Action) -> str | None:
        if action.choices:
            return None
        text = super()._get_type_str(action)
        return None if text is None else describe_type(text) or None

    def _expand_help(self, action: Action) -> str:
        text = super()._expand_help(action).replace("(type: ", "(").replace(", type: ", ", ")
        return re.sub(r"( or null)?, default: null\)$", ")", re.sub(r" \((null, )?default: null\)$", "", text))


def describe_type(text: str) -> str:
    """A type as jsonargparse writes it, in words; empty for alternatives, which the option shows itself.

    Args:
        text: such as `<class 'Path'>`, `list[str]`, `float | null`
    """
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
    if inner := re.fullmatch(r"Optional\[Literal\[(.*)\]\]", text):
        return f"{inner[1].replace(chr(39), '').replace(', ', ' or ')} or null"
    if text.startswith("Literal["):
        return ""
    if text.startswith("dict["):
        nullable = " or null" if text.endswith(" | null") else ""
        return f"names and values{nullable}"
    if inner := re.fullmatch(r"list\[(.*)\]( \| null)?", text):
        return f"a list{' or null' if inner[2] else ''}"
    words = [_WORDS.get(part.strip().lower(), part.strip()) for part in text.split("|")]
    return " or ".join(words)
