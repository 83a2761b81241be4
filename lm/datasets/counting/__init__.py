"""What counting already buys: n-grams, alone and mixed with a model."""
