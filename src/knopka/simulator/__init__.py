"""Stand-ins of the messengers' servers, for the demo and the tests: an own reading of their contracts."""
