"""`python -m services.cli`: the command where it is not installed as `cairn`."""

from services.cli import main

main()
