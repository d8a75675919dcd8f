"""Data sets as rows: their sources, their files' formats, and how they are split. Knows no network."""
