"""The HTTP service: published customers, and customers assigned in real time.

The one package that imports web libraries, which are the extra `api`.
"""

from segpipe.api.server import bind, serve
from segpipe.api.settings import ServeSettings

__all__ = ["ServeSettings", "bind", "serve"]
