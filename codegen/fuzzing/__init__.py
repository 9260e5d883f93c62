"""A differential fuzzer of the compiler: random graphs on the numpy reference, on the host's C and on emulated cores."""
