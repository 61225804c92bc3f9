"""What general compressors make of the same bytes, at settings near their best."""

import lzma
import zlib

import zstandard

ZLIB_LEVEL = 9
XZ_PRESET = 9 | lzma.PRESET_EXTREME
ZSTD_LEVEL = 22


def sizes_in_bytes(content: bytes) -> dict[str, int]:
    """Compressed size under each, its own header and checksum included."""
    return {
        f"zlib -{ZLIB_LEVEL}": len(zlib.compress(content, ZLIB_LEVEL)),
        "xz -9e": len(lzma.compress(content, preset=XZ_PRESET)),
        f"zstd -{ZSTD_LEVEL}": len(zstandard.compress(content, ZSTD_LEVEL)),
    }
