"""knopka: the feedback button of a web site and everything behind it."""

__version__ = "0.1.0"
