"""Figures: pure functions of results, and the only importer of matplotlib. They are drawn, not shown or saved here."""
