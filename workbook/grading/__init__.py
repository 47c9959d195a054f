"""Grade notebooks that were handed in: each in a kernel of its own, shut in where the system can do that."""
