"""Salesbot: scripts as amoCRM documents them, loaded with every fault named, and run without any I/O."""
