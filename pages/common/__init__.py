"""What the pages share (shell, links, theme, wording, caches), and a folder for each page."""
