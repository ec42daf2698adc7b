"""Pulls the images that a gateway's kernels run in to a node, before the first kernel needs them.

What it does in a round is `main`'s; where names come from `fetchers`, what a name means
`references`, whose password goes with it `credentials`, who pulls `runtimes`, and how many at a
time and how often again `rounds`. docs/images/kernel-image-puller.md is the user's page.
"""
