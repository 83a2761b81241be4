"""Train."""

from pages.common import shell

shell.page("Train", "")
