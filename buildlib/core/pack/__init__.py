"""Archives with the same bytes wherever and whenever they are written."""
