"""Simulators of the two remote systems, Agbis and CoMagic, for tests, the demo and the benchmarks.

They know nothing of the bridge itself: they are the independent judge of what it does.
"""
