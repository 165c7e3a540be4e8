"""How deep JSON is nested, told from its bytes: some microseconds for a usual request.

A decoder that ignores unknown properties never sees how deep they are, so the bound is checked
before it. Knows nothing of what the JSON means, nor whether it is valid.
"""

__all__ = ["is_deeper"]

# Objects and arrays count alike, so one kind of bracket will do; all else but quotes goes.
_ONE_KIND = bytes.maketrans(b"[]", b"{}")
_REST = bytes(set(range(256)) - set(b'[]{}"'))


def is_deeper(body: bytes, limit: int) -> bool:
    """Whether objects and arrays lie more than `limit` deep in one another.

    body: JSON in UTF-8; for what is no JSON the answer means nothing.
    """
    if b'\\"' in body:  # an escaped quote, which ends no string, or an escaped backslash before one
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Without brackets in them, strings are two quotes now, and one pass removes them all.
    left = body.translate(_ONE_KIND, _REST).replace(b'""', b"")
    if b'"' in left:  # a string holds brackets: take all strings out, one by one
        outside = b"".join(body.split(b'"')[::2])
        left = outside.translate(_ONE_KIND, _REST)
    # Each pass removes the innermost level, and no more: matches do not overlap.
    for _ in range(limit):
        left = left.replace(b"{}", b"")
        if not left:
            return False
    return bool(left)
