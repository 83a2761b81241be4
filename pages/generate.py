"""Generate: let trained models continue a prompt, side by side."""

from pages.common import shell

shell.page("Generate", "Let trained models continue a prompt, side by side.")
