"""`python -m twinstile` is `twinstile`."""

from twinstile.cli import main

if __name__ == "__main__":
    main()
