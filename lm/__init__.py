"""Small language models under a compute budget."""
