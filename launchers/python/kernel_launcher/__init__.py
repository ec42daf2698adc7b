"""What `launch_ipykernel.py` is made of; docs/launchers.md has the whole picture.

Two processes share it. The *supervisor* reads `options`, opens ports (`connection`), starts the
kernel (`launch`), tells the gateway (`report`) and watches (`supervisor`, `comm`, `processes`); it
runs no user code. The *kernel* process runs ipykernel (`kernel`, `clusters`).

Nothing but the standard library is imported before it is needed, and nothing from outside this
folder: it is copied into images as it is. Python 3.10 and later.
"""
