"""Saved models whose cards have terms, for those that are made of them."""

from ser_tl.card import write_card
from ser_tl.model import EmotionModel


def save_restricted(model: EmotionModel, folder) -> EmotionModel:
    """The model, saved with the card of one that was trained on a corpus which forbids commerce."""
    model.save_pretrained(folder)
    write_card(folder, options={"corpus": "ravdess", "purpose": "Tones."})
    return model


def check_inherited(model: EmotionModel, folder, note: str) -> str:
    """Saves a model that was made of such a one; its card has what lasts of the other's, which stays where it is."""
    model.save_pretrained(folder)
    card = (folder / "README.md").read_text()
    assert f"> {note}" in card
    assert "> **Not for commercial use**" in card
    assert "Ryerson" in card.split("## Data")[1].split("## Model")[0]
    assert "Tones." in card
    assert model.home == folder
    return card
