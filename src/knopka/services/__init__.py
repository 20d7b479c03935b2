"""One verb per step of the story; each runs inside one transaction handed to it."""
