"""How the networks are trained: constants, and the runs that go on where they were stopped."""
