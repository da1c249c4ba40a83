"""A sealed state: a hidden state as text that only the model which handed it out takes back."""

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

from app.protocol.refusal import Refused
from app.protocol.shown import shown
from app.store.models import Model
from model.network import state_parts

State = NDArray[np.float64]  # (parts, hidden)

LARGEST_STATE = 1e6  # no cell gets there from zero in 10,000 samples
DIGEST_BYTES = 8


def seal_state(state: State, model: Model) -> str:
    """Opaque text: which model it belongs to, then its numbers."""
    return base64.urlsafe_b64encode(model.digest + state.astype("<f8").tobytes()).decode()


def open_state(text: str, model: Model, field: str) -> State:
    """The way back. Raises Refused, naming `field`."""
    try:
        data = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _bad_state(field, "it is not one that /predict has answered", text) from None
    if data[:DIGEST_BYTES] != model.digest:
        raise _bad_state(field, f"it does not belong to model {model.id}", text)
    parts, hidden = state_parts(model.weights.cell), model.weights.hidden_size
    if len(data) != DIGEST_BYTES + 8 * parts * hidden:
        raise _bad_state(field, f"model {model.id} has a state of {parts * hidden} numbers", text)
    numbers = np.frombuffer(data, "<f8", offset=DIGEST_BYTES)
    if not (np.abs(numbers) <= LARGEST_STATE).all():
        raise _bad_state(field, f"it has numbers that are not finite or beyond {LARGEST_STATE:g}", text)
    return numbers.reshape(parts, hidden)


def _bad_state(field: str, why: str, text: str) -> Refused:
    return Refused("bad_state", field, f"{field}: {why}: {shown(text)}")
