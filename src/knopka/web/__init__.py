"""What the world reaches over HTTP: a handler parses, calls one service, renders."""
