"""Data."""

from pages.common import shell

shell.page("Data", "")
