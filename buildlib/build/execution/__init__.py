"""Doing what the plan says: staging, building, recording. The first room with effects."""
