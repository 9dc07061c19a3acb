"""How each operation is called successfully; the function's name is the operation's id."""

from tests.support.calls import feedback, identity, okr
from tests.support.scene import CALLS

__all__ = ["CALLS", "feedback", "identity", "okr"]
