"""The report: from graded runs to one JSON and one self-contained HTML page in every language there are words for."""
