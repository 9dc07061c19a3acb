"""The `cairn` command."""

from services.cli.commands import app


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="cairn")
