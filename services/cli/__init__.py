"""The `cairn` command."""


def main() -> None:
    """Entry point of the console script."""
    from services.cli.commands import app  # not for the supervisor's children, who do without it

    app(prog_name="cairn")
