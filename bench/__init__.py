"""Measurements: ratios of two things run in one go on one machine, never absolute promises."""
