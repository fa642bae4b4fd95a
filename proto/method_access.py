"""Who may call a method, which contracts declare as an option: read from an image, and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import descriptor_pb2 as pb
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool

EXTENSION = "ordermesh.options.v1.access"
CUSTOMER = "customer"


@dataclass(frozen=True)
class Access:
    """Who may call a method: roles in lower case, none for an internal method."""

    roles: tuple[str, ...]
    own_orders: bool
    internal: bool

    @property
    def words(self) -> str:
        """Return the roles as text; a customer may be limited to its own orders."""
        own = " (own orders)" if self.own_orders else ""
        return ", ".join(f"{role}{own}" if role == CUSTOMER else role for role in self.roles)


class AccessReader:
    """Reads the access of methods without the generated code of the options, which may not exist yet."""

    def __init__(self, image: pb.FileDescriptorSet) -> None:
        """Build the types of the options from the image."""
        pool = DescriptorPool()
        for file in image.file:
            pool.Add(file)
        self._options = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.MethodOptions"))
        self._extension = pool.FindExtensionByName(EXTENSION)
        message_factory.GetMessageClass(self._extension.message_type)
        self._roles = pool.FindEnumTypeByName("ordermesh.options.v1.Access.Role").values_by_number

    def access(self, method: pb.MethodDescriptorProto) -> Access | None:
        """Return the access of a method, None if it states none."""
        options = self._options.FromString(method.options.SerializeToString())
        if not options.HasExtension(self._extension):
            return None
        found = options.Extensions[self._extension]
        roles = tuple(self._roles[number].name.lower() for number in found.roles)
        return Access(roles, found.own_orders, found.internal)
