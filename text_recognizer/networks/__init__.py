"""Architecture alone: each module has a function or a class that builds a network, and knows no data and no loss."""
