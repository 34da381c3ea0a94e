"""The service: takes requests, gives what the published run says of a customer, in real time.

The one place that imports the web's libraries, which are the extra `api`.
"""

from segpipe.api.server import bind, serve
from segpipe.api.settings import ServeSettings

__all__ = ["ServeSettings", "bind", "serve"]
