"""What several tests share: a builder of small workspaces, and golden messages."""
