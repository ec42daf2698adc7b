"""A host that the gateway starts kernels on over ssh; runs in a container of the gateway's image.

That image has an ssh client written in Python and no server, and the client's package makes one. It
runs each command as sshd does: by the user's login shell. What it prints first is one line of JSON:
its port, the public key it has, and the private key it lets in.
"""

from __future__ import annotations

import io
import json
import os
import pwd
import socket
import subprocess
import threading
import time
from typing import Any

PORT = 2122  # the EG_SSH_PORT of the gateway's image


def main() -> None:
    """Serve until the container is removed."""
    import paramiko  # type: ignore[import-not-found,import-untyped,unused-ignore] # not in ours

    class Host(paramiko.ServerInterface):  # type: ignore[misc,unused-ignore]
        """One connection."""

        def get_allowed_auths(self, username: str) -> str:
            del username
            return "publickey"

        def check_auth_publickey(self, username: str, key: Any) -> Any:
            del username
            return paramiko.AUTH_SUCCESSFUL if key == known else paramiko.AUTH_FAILED

        def check_channel_request(self, kind: str, number: int) -> Any:
            del kind, number
            return paramiko.OPEN_SUCCEEDED

        def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
            threading.Thread(target=_run, args=(channel, command)).start()
            return True

    own, known = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
    private = io.StringIO()
    known.write_private_key(private)
    with socket.create_server(("", PORT)) as server:
        public = f"{own.get_name()} {own.get_base64()}"
        told = {"port": PORT, "public": public, "private": private.getvalue()}
        print(json.dumps(told), flush=True)
        while True:
            transport = paramiko.Transport(server.accept()[0])
            transport.add_server_key(own)
            transport.start_server(event=threading.Event(), server=Host())


def _run(channel: Any, command: bytes) -> None:
    user = pwd.getpwuid(os.getuid())
    time.sleep(0.1)  # the answer to the request itself goes first
    done = subprocess.run(
        [user.pw_shell, "-c", command],
        check=False,
        cwd=user.pw_dir,
        env={"HOME": user.pw_dir, "USER": user.pw_name, "PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    channel.sendall(done.stdout)
    channel.sendall_stderr(done.stderr)
    channel.send_exit_status(done.returncode)
    channel.close()


if __name__ == "__main__":
    main()
