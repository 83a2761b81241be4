"""Compare."""

from pages.common import shell

shell.page("Compare", "")
