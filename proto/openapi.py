"""Makes the OpenAPI 3 document from the contracts."""


def document(image: bytes) -> str:
    """Return the document as JSON text, from a FileDescriptorSet with comments."""
    return "{}\n"
