"""The few messages of Kubernetes' CRI that pulling takes, built here rather than generated.

Names and numbers of fields: https://github.com/kubernetes/cri-api, pkg/apis/runtime/v1/api.proto.
What is not listed is skipped when it is read, as protobuf wants it.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "runtime.v1"
# Message -> its fields: number -> name, with the type after a colon if it is another message.
_MESSAGES = {
    "ImageSpec": {1: "image"},
    "Image": {1: "id"},
    "AuthConfig": {
        1: "username",
        2: "password",
        5: "identity_token",
        6: "registry_token",
    },
    "ImageStatusRequest": {1: "image:ImageSpec"},
    "ImageStatusResponse": {1: "image:Image"},
    "PullImageRequest": {1: "image:ImageSpec", 2: "auth:AuthConfig"},
    "PullImageResponse": {1: "image_ref"},
}


def message_classes() -> dict[str, Any]:
    """The classes of the messages, by their names."""
    file = descriptor_pb2.FileDescriptorProto(
        name="kernel_image_puller/cri.proto", package=PACKAGE, syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, declared in fields.items():
            field_name, _, of = declared.partition(":")
            message.field.add(
                name=field_name,
                number=number,
                label=kinds.LABEL_OPTIONAL,
                type=kinds.TYPE_MESSAGE if of else kinds.TYPE_STRING,
                type_name=f".{PACKAGE}.{of}" if of else None,
            )
    pool = descriptor_pool.DescriptorPool()  # of our own: nothing else is to find these
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in _MESSAGES
    }
