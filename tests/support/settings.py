"""Settings from the text of a pyproject.toml, as a view reads them."""

from __future__ import annotations

from buildlib.core.model.settings import Settings, settings_from, table_of


def parse_settings(text: str) -> Settings:
    return settings_from(table_of(text), text)
