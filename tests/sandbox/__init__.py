"""Simulators of the two remote systems, Agbis and CoMagic, for tests, the demo and the benchmarks.

They import nothing of the program: they judge it independently.
"""
