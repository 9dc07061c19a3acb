"""Imports carried out: begun, settled against what is there, written as one, ended."""

from services.okr.imports.commands.carrying import DirectoryLags, carry_out
from services.okr.imports.commands.operating import (
    begin_for_operator,
    require_operator,
    watch_for_operator,
)
from services.okr.imports.commands.running import Overtaken, Report, Run, begin, fail
from services.okr.imports.commands.starting import MOST_FILES, RUN, start_import

__all__ = [
    "MOST_FILES",
    "RUN",
    "DirectoryLags",
    "Overtaken",
    "Report",
    "Run",
    "begin",
    "begin_for_operator",
    "carry_out",
    "fail",
    "require_operator",
    "start_import",
    "watch_for_operator",
]
