"""Stand-ins of the messengers' servers, for the demo and the tests: a reading of their contracts of its own."""
