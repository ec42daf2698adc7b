"""doit's view of our graph: tasks and reporter. In `build`, the only room that imports doit."""
