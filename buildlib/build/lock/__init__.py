"""Making and checking `images.lock`: the one verb that asks the outside what there is."""
