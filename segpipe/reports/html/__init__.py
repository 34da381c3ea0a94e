"""The page of a run: a report of figures and charts in one HTML file, to be read in a browser."""

from segpipe.reports.html.build import page_html, refuse_page_path, write_page

__all__ = ["page_html", "refuse_page_path", "write_page"]
