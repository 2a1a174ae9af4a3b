"""The card of a model: README.md beside its weights, for people and for the hub's search.

    config.json, Report, the run's options --write_card()--> README.md and confusion.png in the model's folder

A card says what is known and leaves out what isn't: without a report it claims no score, without a run no corpus. It
reads files and needs no networks; figures are the report's own.
"""

from ser_tl.card.card import CARD_FILE as CARD_FILE
from ser_tl.card.card import write_card as write_card
from ser_tl.card.purpose import check_purpose as check_purpose
from ser_tl.card.purpose import state_purpose as state_purpose
from ser_tl.card.sources import Source as Source
