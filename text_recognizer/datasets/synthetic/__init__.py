"""What the samples are drawn from: characters, lines and shapes, without a network."""
