"""Invented closed cases: realistic in shape and wording, recognisable as invented in every identity. See docs/generator.md."""
