"""Tests of the command line. A package, since other rooms have a conftest.py as well."""
