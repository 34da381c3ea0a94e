"""The endpoints, by topic."""

from segpipe.api.routes.assigning import router as assigning
from segpipe.api.routes.customers import router as customers
from segpipe.api.routes.operations import router as operations
from segpipe.api.routes.rfm import router as rfm
from segpipe.api.routes.segments import router as segments

ROUTERS = (customers, assigning, segments, rfm, operations)

__all__ = ["assigning", "customers", "operations", "rfm", "segments"]
