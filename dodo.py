"""What doit reads: the tasks of the workspace's graph. See docs/ for what can be typed."""

from buildlib.cli.doit_plugin.dodo import DOIT_CONFIG, task_build, task_verify

__all__ = ["DOIT_CONFIG", "task_build", "task_verify"]
