"""Stand-ins for what costs time or is not there: they pass the same contract tests as the real."""
