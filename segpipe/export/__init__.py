"""A run as files: profiles, segments, and a document for an AI agent."""

from segpipe.export.erase import ErasedFile, erase_from_exports
from segpipe.export.folders import folders_of, hold_exports
from segpipe.export.formats import FORMATS
from segpipe.export.write import ExportInfo, export

__all__ = [
    "FORMATS",
    "ErasedFile",
    "ExportInfo",
    "erase_from_exports",
    "export",
    "folders_of",
    "hold_exports",
]
