"""``nas report``: one page about a run, from what its directory holds."""

from nas.report.page import report_page, write_report

__all__ = ["report_page", "write_report"]
