"""`python -m twinstile` is the command `twinstile`."""

from twinstile.cli.main import main

main()
