"""Graders: from a raw reply to an outcome, with the rule that decided. Everything unclear is *undecided*, never guessed.

    >>> from samovar.audit.grade import grade_reply, grade_run

`grade_reply` judges one reply to a question that has a right answer, `grade_run` all replies of a run. Knows nothing about how replies were
collected, or what is done with the grades. Source of the pipeline: the audit's design, "Grading free text without a paid judge".
"""

from __future__ import annotations

from samovar.audit.grade.decision import explain_reply, grade_reply
from samovar.audit.grade.run import grade_run

__all__ = ["explain_reply", "grade_reply", "grade_run"]
