"""Clients of CoMagic that other people have written, run against the sandbox as they are."""
