"""One file for each messenger; they are strangers to one another, and none knows of cards."""
