"""The network in NumPy: layers, initialisers, activations, losses, optimisers."""
