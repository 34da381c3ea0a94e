"""A run as files: profiles, segments, and a document for an AI agent."""

from segpipe.export.formats import FORMATS
from segpipe.export.write import ExportInfo, export

__all__ = ["FORMATS", "ExportInfo", "export"]
