"""KERNEL_VOLUMES and KERNEL_VOLUME_MOUNTS: what a client may have mounted into its kernel's pod.

A volume can hand out the node's disk or another's secrets, so kinds that do are refused until the
administrator names them in EG_KUBERNETES_ALLOWED_VOLUMES. docs/kernelspecs.md has the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernel_request import folder, matched, parsed, refuse
from launch_errors import DATA, LaunchError, shown

HARMLESS = ("emptyDir", "persistentVolumeClaim", "configMap", "nfs")
MOUNT_FIELDS = {"name", "mountPath", "readOnly", "subPath"}
LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"


def volumes(text: str, allowed: str) -> tuple[list[dict[str, Any]], set[str]]:
    """The volumes, and the names of those that can only be read.

    Args:
        text: KERNEL_VOLUMES.
        allowed: EG_KUBERNETES_ALLOWED_VOLUMES: kinds such as `secret`, and folders of nodes such
            as `/srv/sets:ro`. A folder is allowed as it is written, and not those below it: what
            is below may be a link that leads anywhere.
    """
    entries = [entry.strip() for entry in allowed.split(",") if entry.strip()]
    kinds = {*HARMLESS, *(entry for entry in entries if not entry.startswith("/"))}
    folders = {entry.removesuffix(":ro"): entry.endswith(":ro") for entry in entries}
    read_only = set()
    found = parsed("KERNEL_VOLUMES", text, list)
    what = "an entry of KERNEL_VOLUMES"
    for entry in found:
        if not isinstance(entry, dict) or len(entry) != 2 or "name" not in entry:  # noqa: PLR2004
            refuse(what, entry, "a name and one kind of volume")
        name = matched(f"the name of {what}", str(entry["name"]), LABEL, "a name in lower case")[0]
        [(kind, volume)] = [item for item in entry.items() if item[0] != "name"]
        if kind != "hostPath":
            _allow(kind in kinds and isinstance(volume, dict), kind)
            continue
        path = volume.get("path") if isinstance(volume, dict) else None
        _allow(isinstance(path, str) and path in folders and path.startswith("/"), path)
        if volume.keys() - {"path", "type"} or volume.get("type") not in (None, "", "Directory"):
            refuse(what, entry, "a folder that is there")  # and none that the node would make
        if folders[str(path)]:
            read_only.add(name)
    return found, read_only


def _allow(allowed: bool, what: object) -> None:
    if not allowed:
        fix = "name it in the gateway's EG_KUBERNETES_ALLOWED_VOLUMES, if users may have it"
        raise LaunchError(f"KERNEL_VOLUMES may not have {shown(what)}", DATA, fix)


def mounts(text: str, read_only: set[str]) -> list[dict[str, Any]]:
    """Where volumes are seen; those in `read_only` cannot be written there.

    Args:
        text: KERNEL_VOLUME_MOUNTS.
        read_only: Names of volumes.
    """
    what = "an entry of KERNEL_VOLUME_MOUNTS"
    found = []
    for entry in parsed("KERNEL_VOLUME_MOUNTS", text, list):
        if not isinstance(entry, dict) or entry.keys() - MOUNT_FIELDS:
            refuse(what, entry, "an object with name, mountPath and perhaps readOnly, subPath")
        name, below = entry.get("name"), entry.get("subPath", "")
        writable = entry.get("readOnly", False)
        if not isinstance(name, str) or not isinstance(below, str) or below.startswith("/"):
            refuse(what, entry, "one of KERNEL_VOLUMES at a place of its own")
        if not isinstance(writable, bool):
            refuse(what, entry, "readOnly true or false")
        mount = {**entry, "mountPath": folder(what, entry.get("mountPath"))}
        found.append({**mount, "readOnly": True} if name in read_only else mount)
    return found


def toleration(entry: Any) -> Mapping[str, Any]:
    """An entry of KERNEL_TOLERATIONS, of the fields that Kubernetes has."""
    texts = {"key", "operator", "value", "effect"}
    what = "an entry of KERNEL_TOLERATIONS"
    if not isinstance(entry, dict) or entry.keys() - texts - {"tolerationSeconds"}:
        refuse(what, entry, "an object with key, operator, value, effect, tolerationSeconds")
    if not all(isinstance(entry[name], str) for name in texts & entry.keys()):
        refuse(what, entry, "an object of texts")
    if type(entry.get("tolerationSeconds", 0)) is not int:
        refuse(what, entry, "a number of tolerationSeconds")
    found: Mapping[str, Any] = entry
    return found
