"""Invented people: a morphable face, its expressions, and pictures of it."""
