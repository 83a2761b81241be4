"""What the pages share: the shell around them, the theme, browser components and caches."""
