"""Start: see what a small model writes, how the architectures compare, and train a first one."""

from pages.common import shell

shell.page("Start", "What a small language model can learn from one book.")
