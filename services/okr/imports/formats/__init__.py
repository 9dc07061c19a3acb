"""One file an import format; a format turns named bytes into the rows of an import."""

from collections.abc import Callable, Sequence

from services.okr.imports.formats import neutral
from services.okr.imports.rules import ImportedRows

Format = Callable[[Sequence[tuple[str, bytes]]], ImportedRows]
"""Named files → their rows, refusals included; never raises for what stands in a file."""

FORMATS: dict[str, Format] = {"neutral": neutral.read}
