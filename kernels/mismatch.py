"""How an operation that was prepared for some operands says that others came."""


class Mismatch(Exception):  # noqa: N818 - no error that users see
    """The operands do not fit what was prepared; the public operation computes with them, or says what is wrong.

    >>> try:
    ...     raise Mismatch("another dtype")
    ... except Mismatch as reason:
    ...     print(reason)
    another dtype
    """
