"""Do what the plan says: stage, build, record. The first room with effects."""
