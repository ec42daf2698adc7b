"""doit, told about our graph: tasks, reporter and commands. The only room that imports doit."""
