"""Execute pages: the environment, the kernel, and a process from which kernels start with Keras imported."""
