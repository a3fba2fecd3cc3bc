"""Lets every test import the modules beside this file, such as `suites`."""
