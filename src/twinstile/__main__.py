"""`python -m twinstile` is the command `twinstile`."""

from twinstile.cli import main

main()
