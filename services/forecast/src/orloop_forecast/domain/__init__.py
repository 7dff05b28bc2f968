"""How long a case takes, and how much of it is left. Pure: numbers in, quantiles out."""
