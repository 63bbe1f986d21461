"""Carries sales from the Agbis CRM into CoMagic, and callers' cards to operators."""
