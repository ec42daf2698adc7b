"""Starting and removing what the files in `deploy/` describe, on Docker and on Docker Swarm.

The engine is asked for it directly, but for a stack: only the docker client reads its file. Labels
are those of compose, so `docker compose ps` knows what was started here as `docker stack ps` does.
What was started is remembered in `deploy/.deployed` (see `kept`); only that is ever removed. Knows
nothing of targets, keys or plans.
"""
