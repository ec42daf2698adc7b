"""Make and check `images.lock`: the only verb that asks the outside what exists."""
