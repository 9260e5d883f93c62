"""``nas report``: one page about a run, from what its directory holds."""

from nas.report.page import report_page

__all__ = ["report_page"]
