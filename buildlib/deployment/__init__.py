"""Starting and removing what the files in `deploy/` describe, on Docker and on Docker Swarm.

All of it goes through the docker client that a person would use, so that `docker compose ps` and
`docker stack ps` know what was started here. What was started is remembered in `deploy/.deployed`
(see `kept`); only that is ever removed. Knows nothing of targets, keys or plans.
"""
