"""What the page Generate is made of."""
