"""The commands of `twinstile`, one module a noun."""
