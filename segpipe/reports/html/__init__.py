"""The page of a run: a report of figures and charts in one HTML file, to be read in a browser."""

from segpipe.reports.html.build import check_page_path, page_html, write_page

__all__ = ["check_page_path", "page_html", "write_page"]
