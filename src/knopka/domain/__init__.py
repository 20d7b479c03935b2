"""The rules of the product: no input or output, no clock; the time is an argument."""
